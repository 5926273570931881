// The samples of a DataSpec of texts: files read, split, and written in the tokens of a vocabulary
// that is made from the training samples.
//
// Shapes   A sample is spec.text().length() tokens, as numbers; labels are places in `classes`.
// Errors   What OpenFile and the readers say; a split that leaves a part empty.
// Threads  A pure function of the files: every worker makes the same vocabulary.
#ifndef PACELINE_WORKER_DATA_LOAD_TEXTS_H_
#define PACELINE_WORKER_DATA_LOAD_TEXTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/sha256.h"
#include "proto/job.pb.h"
#include "worker/data/dataset.h"
#include "worker/data/vocabulary.h"

namespace paceline {

struct LoadedTexts {
  Dataset train;
  Dataset eval;                      // No samples when the spec asks for no evaluation.
  std::vector<std::string> classes;  // Names, in the order of their bytes.
  std::unique_ptr<const Vocabulary> vocabulary;

  // Adds what the numbers of the two datasets stand for.
  void AddTo(Sha256* hash) const;
};

// `spec` has its defaults filled in; its format is one of texts.
absl::StatusOr<LoadedTexts> LoadTexts(const v1::DataSpec& spec);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_LOAD_TEXTS_H_
