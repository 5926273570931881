#include "common/job/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <sstream>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/utf8.h"

namespace paceline {
namespace {

using Kind = YamlNode::Kind;
using NodePtr = std::shared_ptr<const YamlNode>;

absl::Status ErrorAt(absl::string_view file, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

absl::Status CheckText(absl::string_view text, absl::string_view file) {
  if (text.size() > kYamlBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " has ", text.size(), " bytes; wanted at most ", kYamlBytesMax));
  }
  int line = 1;
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text.substr(i));
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    const bool is_control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r');
    if (length == 0 || is_control || byte == 0x7F) {
      return ErrorAt(file, line,
                     absl::StrCat("byte 0x", absl::Hex(byte, absl::kZeroPad2),
                                  " is not text; wanted YAML in UTF-8"));
    }
    if (byte == '\n') ++line;
    i += length;
  }
  return absl::OkStatus();
}

// Builds the tree from yaml-cpp's events. After the first error it ignores the rest.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(absl::string_view file) : file_(file) {}

  const absl::Status& status() const { return status_; }
  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    AddLeaf(mark, anchor, std::make_shared<YamlNode>());
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!status_.ok()) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return Fail(mark, "an alias to what it is itself part of");
    if (WantsKey()) return Fail(mark, "a key is an alias; wanted a name");
    Add(mark, found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!CheckTag(mark, tag)) return;
    if (WantsKey()) return OnKey(mark, value);
    auto node = std::make_shared<YamlNode>();
    node->kind = Kind::kScalar;
    node->scalar = value;
    node->quoted = tag == "!";
    AddLeaf(mark, anchor, std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Kind::kSequence);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, Kind::kMapping);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  // A sequence or mapping whose end has not come.
  struct Frame {
    std::shared_ptr<YamlNode> node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // Of a mapping: the last entry waits for its value.
    absl::flat_hash_map<std::string, int> key_lines;
  };

  void Fail(const YAML::Mark& mark, absl::string_view what) {
    if (status_.ok()) status_ = ErrorAt(file_, mark.line + 1, what);
  }

  bool CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!status_.ok()) return false;
    if (tag.empty() || tag == "?" || tag == "!") return true;
    Fail(mark, absl::StrCat("tag '", absl::Utf8SafeCEscape(tag), "'; wanted a value without one"));
    return false;
  }

  bool WantsKey() const {
    return !stack_.empty() && stack_.back().node->kind == Kind::kMapping && !stack_.back().has_key;
  }

  void OnKey(const YAML::Mark& mark, const std::string& key) {
    Frame& frame = stack_.back();
    const auto [at, is_new] = frame.key_lines.emplace(key, mark.line + 1);
    if (!is_new) {
      return Fail(mark, absl::StrCat("key '", absl::Utf8SafeCEscape(key),
                                     "' is here twice, first in line ", at->second));
    }
    frame.node->entries.push_back({key, mark.line + 1, nullptr});
    frame.has_key = true;
  }

  void AddLeaf(const YAML::Mark& mark, YAML::anchor_t anchor, std::shared_ptr<YamlNode> node) {
    if (!status_.ok()) return;
    if (WantsKey()) return Fail(mark, "a key is empty; wanted a name");
    // What is not there is where its key is; the mark points behind it.
    const bool is_absent = node->kind == Kind::kNull && !stack_.empty() && stack_.back().has_key;
    node->line = is_absent ? stack_.back().node->entries.back().line : mark.line + 1;
    if (anchor != 0) anchors_[anchor] = node;
    Add(mark, std::move(node));
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
    if (!CheckTag(mark, tag)) return;
    if (WantsKey()) return Fail(mark, "a key is a list or a mapping; wanted a name");
    if (stack_.size() >= kYamlDepthMax) return FailDepth(mark);
    Frame frame;
    frame.node = std::make_shared<YamlNode>();
    frame.node->kind = kind;
    frame.node->line = mark.line + 1;
    frame.mark = mark;
    frame.anchor = anchor;
    stack_.push_back(std::move(frame));
  }

  void Close() {
    if (!status_.ok()) return;
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.anchor != 0) anchors_[frame.anchor] = frame.node;
    Add(frame.mark, std::move(frame.node));
  }

  void FailDepth(const YAML::Mark& mark) {
    Fail(mark, absl::StrCat("nested deeper than ", kYamlDepthMax));
  }

  // Hangs a finished node below the innermost open one.
  void Add(const YAML::Mark& mark, NodePtr node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = *stack_.back().node;
    parent.nodes += node->nodes;
    parent.depth = std::max(parent.depth, node->depth + 1);
    if (parent.depth > kYamlDepthMax) return FailDepth(mark);
    if (parent.nodes > kYamlNodesMax) {
      return Fail(mark, absl::StrCat("more than ", kYamlNodesMax, " values"));
    }
    if (parent.kind == Kind::kSequence) {
      parent.items.push_back(std::move(node));
    } else {
      parent.entries.back().value = std::move(node);
      stack_.back().has_key = false;
    }
  }

  const absl::string_view file_;
  absl::Status status_;
  NodePtr root_;
  std::vector<Frame> stack_;
  absl::flat_hash_map<YAML::anchor_t, NodePtr> anchors_;
};

// yaml-cpp reports by exceptions; none leaves this function.
absl::Status Feed(const std::string& text, absl::string_view file, TreeBuilder* builder) {
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(*builder)) return absl::OkStatus();
    RETURN_IF_ERROR(builder->status());
    TreeBuilder rest(file);
    if (parser.HandleNextDocument(rest)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, " holds more than one YAML document; wanted one"));
    }
    return absl::OkStatus();
  } catch (const YAML::Exception& error) {
    return ErrorAt(file, error.mark.line + 1, absl::StrCat("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": not YAML: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<NodePtr> ParseYamlTree(absl::string_view text, absl::string_view file_name) {
  RETURN_IF_ERROR(CheckText(text, file_name));
  TreeBuilder builder(file_name);
  const absl::Status fed = Feed(std::string(text), file_name, &builder);
  RETURN_IF_ERROR(builder.status());
  RETURN_IF_ERROR(fed);
  if (builder.root() == nullptr) return std::make_shared<const YamlNode>();
  return builder.root();
}

}  // namespace paceline
