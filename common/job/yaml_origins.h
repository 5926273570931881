// Where each field of a message was written, so that an error found later can still say it.
//
// Paths are those that errors name: "train.epochs", "model.layers[0].linear.units".
//
// Threads  As a map.
#ifndef PACELINE_COMMON_JOB_YAML_ORIGINS_H_
#define PACELINE_COMMON_JOB_YAML_ORIGINS_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace paceline {

class YamlOrigins {
 public:
  // `file_name` is where what has no line of its own comes from.
  explicit YamlOrigins(absl::string_view file_name) : file_name_(file_name) {}

  void SetLine(const std::string& path, int line);

  // The field, with all below it, has been replaced: by "--set train.epochs", say.
  void Replace(const std::string& path, std::string source);

  // "job.yaml:12" or "--set train.epochs": of the field or, if it was not written, of the nearest
  // one around it that was; "job.yaml" if none was.
  std::string Find(absl::string_view path) const;

  // As Find, of the field that `error` begins with: "train.epochs is 0; wanted ...".
  std::string FindFor(absl::string_view error) const;

 private:
  struct Origin {
    int line = 0;        // In the file; 0: `source` says it.
    std::string source;  // Of what replaced the field.
  };

  const std::string file_name_;
  std::map<std::string, Origin> origins_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_JOB_YAML_ORIGINS_H_
