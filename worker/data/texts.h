// Texts and their classes, as the readers of text files hand them on; a vocabulary makes numbers of
// them.
//
// Errors   Add: InvalidArgument for a text that is blank or not UTF-8, a class without a name or one
//          that the training files do not have; Finish: no samples. Add does not say where: the
//          reader knows. Nothing has been added then.
// Threads  One object, one thread.
#ifndef PACELINE_WORKER_DATA_TEXTS_H_
#define PACELINE_WORKER_DATA_TEXTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paceline {

// Every sample of a file or folder, in its order.
struct Texts {
  std::string origin;  // As errors name it.
  std::string bytes;
  std::vector<uint64_t> begin = {0};  // [samples + 1]; text i is bytes begin[i]..begin[i + 1].
  std::vector<float> labels;          // [samples]; places in the names of the classes.

  uint64_t samples() const { return labels.size(); }
  absl::string_view TextOf(uint64_t i) const {
    return absl::string_view(bytes).substr(begin[i], begin[i + 1] - begin[i]);
  }
};

// Gathers the samples of one file or folder.
class TextsBuilder {
 public:
  // `classes`, if empty, takes the names of the classes in the end, in the order of their bytes; else
  // no other one is accepted. It outlives the object. `origin` is what errors call the file.
  TextsBuilder(absl::string_view origin, std::vector<std::string>* classes);

  absl::Status Add(absl::string_view text, absl::string_view class_name);

  // What was added.
  absl::StatusOr<Texts> Finish();

 private:
  std::vector<std::string>* const classes_;
  const bool is_closed_;
  Texts texts_;
  absl::flat_hash_map<std::string, uint32_t> numbers_;  // By name, in the order of their coming.
};

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_TEXTS_H_
