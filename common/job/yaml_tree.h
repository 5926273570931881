// YAML text as a tree of bounded size, with line numbers: what a person wrote, before any meaning.
//
// Errors   InvalidArgument, "file:line: ...": text that is not UTF-8 or not YAML, more than one
//          document, duplicate or non-scalar keys, explicit tags, an alias inside what it names, or
//          a tree beyond the limits below (counted with every alias written out). No bytes crash
//          it.
// Threads  Pure functions; a tree is constant.
// Source   YAML 1.2.2, by yaml-cpp.
#ifndef PACELINE_COMMON_JOB_YAML_TREE_H_
#define PACELINE_COMMON_JOB_YAML_TREE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

inline constexpr size_t kYamlBytesMax = size_t{1} << 20;
inline constexpr size_t kYamlNodesMax = 100'000;
inline constexpr int kYamlDepthMax = 32;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  struct Entry {
    std::string key;
    int line = 0;
    std::shared_ptr<const YamlNode> value;
  };

  Kind kind = Kind::kNull;
  int line = 0;         // 1 for the first.
  std::string scalar;   // Of kScalar.
  bool quoted = false;  // Of kScalar: a string by the writer's own word.
  std::vector<std::shared_ptr<const YamlNode>> items;  // Of kSequence.
  std::vector<Entry> entries;                          // Of kMapping, as written; keys are unique.
  size_t nodes = 1;                                    // With all below it, aliases written out.
  int depth = 1;                                       // Likewise; a scalar's is 1.
};

// The tree of the one document in `text`; an empty text is a null node. `file_name` is for errors.
absl::StatusOr<std::shared_ptr<const YamlNode>> ParseYamlTree(absl::string_view text,
                                                              absl::string_view file_name);

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_YAML_TREE_H_
