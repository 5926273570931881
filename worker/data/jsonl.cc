#include "worker/data/jsonl.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "worker/data/line_reader.h"

namespace paceline {
namespace {

using Json = nlohmann::json;

// Takes text and label out of the object as the parser meets them; the rest is not kept. A function
// that returns false ends the parsing.
class SampleTaker : public nlohmann::json_sax<Json> {
 public:
  explicit SampleTaker(const v1::DataFiles& files) : files_(files) {}

  struct Field {
    bool is_given = false;
    std::string value;
  };
  const Field& text() const { return text_; }
  const Field& label() const { return label_; }
  const std::string& why() const { return why_; }  // Empty: nothing was wrong.

  bool null() override { return TakeOther("null"); }
  bool boolean(bool) override { return TakeOther("true or false"); }
  bool number_integer(number_integer_t value) override { return TakeWhole(absl::StrCat(value)); }
  bool number_unsigned(number_unsigned_t value) override { return TakeWhole(absl::StrCat(value)); }
  bool number_float(number_float_t, const string_t&) override { return TakeOther("a fraction"); }
  bool binary(binary_t&) override { return TakeOther("binary"); }
  bool string(string_t& value) override {
    return field_ == nullptr ? TakeOther("a string") : Take(std::move(value));
  }
  bool start_object(size_t) override { return ++depth_ == 1 || TakeOther("an object"); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t) override { return TakeOther("an array") && ++depth_ > 1; }
  bool end_array() override { return Leave(); }

  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    field_ = name == files_.text() ? &text_ : name == files_.label() ? &label_ : nullptr;
    if (field_ == nullptr || !field_->is_given) return true;
    return Fail(absl::StrCat("the key ", Shown(name), " comes twice"));
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StrCat("is not JSON from its byte ", position, " on"));
  }

 private:
  bool Fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }

  bool Leave() {
    --depth_;
    return true;
  }

  bool Take(std::string value) {
    *field_ = {true, std::move(value)};
    field_ = nullptr;
    return true;
  }

  bool TakeWhole(std::string digits) {
    return field_ == &label_ ? Take(std::move(digits)) : TakeOther("a number");
  }

  // A value that neither of the two takes.
  bool TakeOther(absl::string_view what) {
    if (depth_ == 0) return Fail(absl::StrCat("is ", what, "; wanted an object"));
    if (field_ == nullptr) return true;
    const bool is_text = field_ == &text_;
    return Fail(absl::StrCat("the ", is_text ? "text" : "label", " is ", what, "; wanted a string",
                             is_text ? "" : " or a whole number"));
  }

  const v1::DataFiles& files_;
  Field text_;
  Field label_;
  Field* field_ = nullptr;  // The one whose key came last, until its value does.
  int depth_ = 0;
  std::string why_;
};

absl::Status TakeLine(absl::string_view line, const v1::DataFiles& files, TextsBuilder* builder) {
  SampleTaker taker(files);
  Json::sax_parse(line.begin(), line.end(), &taker);
  if (!taker.why().empty()) return absl::InvalidArgumentError(taker.why());
  for (const auto& [field, key] :
       {std::pair(&taker.text(), &files.text()), std::pair(&taker.label(), &files.label())}) {
    if (field->is_given) continue;
    return absl::InvalidArgumentError(absl::StrCat("has no key ", Shown(*key)));
  }
  return builder->Add(taker.text().value, taker.label().value);
}

}  // namespace

absl::StatusOr<Texts> ReadJsonl(ByteSource* source, absl::string_view name,
                                const v1::DataFiles& files, std::vector<std::string>* classes) {
  LineReader lines(source, name);
  TextsBuilder builder(name, classes);
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, lines.Next());
    if (!more) return builder.Finish();
    const absl::Status taken = TakeLine(lines.line(), files, &builder);
    if (!taken.ok()) return lines.Error(taken.message());
  }
}

}  // namespace paceline
