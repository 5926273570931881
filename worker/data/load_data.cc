#include "worker/data/load_data.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "worker/data/byte_source.h"
#include "worker/data/csv.h"
#include "worker/data/idx.h"
#include "worker/data/libsvm.h"
#include "worker/data/load_texts.h"
#include "worker/data/scaling.h"
#include "worker/data/split.h"

namespace paceline {
namespace {

absl::StatusOr<std::unique_ptr<ByteSource>> Open(absl::string_view field, const std::string& path) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("data: ", field, " is not set"));
  }
  return OpenFile(path);
}

absl::StatusOr<IdxArray> LoadIdx(absl::string_view field, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, Open(field, path));
  return ReadIdx(file.get(), path);
}

absl::StatusOr<Dataset> LoadIdxPair(absl::string_view set, const v1::DataFiles& files) {
  ASSIGN_OR_RETURN(const IdxArray labels, LoadIdx(absl::StrCat(set, ".labels"), files.labels()));
  ASSIGN_OR_RETURN(IdxArray images, LoadIdx(absl::StrCat(set, ".images"), files.images()));
  return MakeIdxDataset(std::move(images), files.images(), labels, files.labels());
}

// `features`: what a libsvm file has, 0: as many as it names.
absl::StatusOr<Dataset> LoadFiles(absl::string_view set, v1::DataSpec::Format format,
                                  const v1::DataFiles& files, uint64_t features) {
  if (format == v1::DataSpec::IDX) return LoadIdxPair(set, files);
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file,
                   Open(absl::StrCat(set, ".path"), files.path()));
  if (format == v1::DataSpec::CSV) return ReadCsv(file.get(), files.path(), files);
  return ReadLibsvm(file.get(), files.path(), features);
}

absl::Status RequireAlike(const Dataset& train, const Dataset& eval) {
  if (train.shape != eval.shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        eval.origin, ": its samples have ", absl::StrJoin(eval.shape, "x"), " features; those of ",
        train.origin, " have ", absl::StrJoin(train.shape, "x")));
  }
  if (train.feature_names.empty() || eval.feature_names.empty()) return absl::OkStatus();
  for (size_t i = 0; i < train.feature_names.size(); ++i) {
    if (train.feature_names[i] == eval.feature_names[i]) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        eval.origin, ": feature ", i, " (counted from 0) is named '", eval.feature_names[i],
        "'; in ", train.origin, " it is '", train.feature_names[i], "'"));
  }
  return absl::OkStatus();
}

absl::Status LoadEval(const v1::DataSpec& spec, LoadedData* loaded) {
  const uint64_t wanted = loaded->train.features;
  const uint64_t asked = spec.eval().features();
  if (spec.format() == v1::DataSpec::LIBSVM && asked != 0 && asked != wanted) {
    return absl::InvalidArgumentError(absl::StrCat("data: eval.features is ", asked, ", but ",
                                                   loaded->train.origin, " has ", wanted));
  }
  ASSIGN_OR_RETURN(loaded->eval, LoadFiles("eval", spec.format(), spec.eval(), wanted));
  return RequireAlike(loaded->train, loaded->eval);
}

absl::Status SplitTrain(const v1::SplitSpec& spec, LoadedData* loaded) {
  ASSIGN_OR_RETURN(SplitDatasets parts, Split(loaded->train, spec.eval_fraction(), spec.seed()));
  loaded->train = std::move(parts.train);
  loaded->eval = std::move(parts.eval);
  return absl::OkStatus();
}

absl::Status LoadNumbers(const v1::DataSpec& spec, LoadedData* loaded) {
  ASSIGN_OR_RETURN(loaded->train,
                   LoadFiles("train", spec.format(), spec.train(), spec.train().features()));
  if (spec.has_eval()) RETURN_IF_ERROR(LoadEval(spec, loaded));
  if (spec.has_split()) RETURN_IF_ERROR(SplitTrain(spec.split(), loaded));
  return spec.standardize() ? Standardize(&loaded->train, &loaded->eval) : absl::OkStatus();
}

// `texts` is null where the samples are numbers.
std::string Fingerprint(v1::DataSpec::Format format, const LoadedData& loaded,
                        const LoadedTexts* texts) {
  Sha256 hash;
  const std::string head = absl::StrCat("paceline dataset 1 ", v1::DataSpec::Format_Name(format));
  hash.Update(head.data(), head.size());
  loaded.train.AddTo(&hash);
  loaded.eval.AddTo(&hash);
  if (texts != nullptr) texts->AddTo(&hash);
  return hash.Hex();
}

void SetFacts(v1::DataSpec::Format format, const LoadedTexts* texts, LoadedData* loaded) {
  loaded->facts.set_features(loaded->train.features);
  loaded->facts.set_train_samples(loaded->train.samples);
  loaded->facts.set_eval_samples(loaded->eval.samples);
  loaded->facts.set_fingerprint(Fingerprint(format, *loaded, texts));
}

absl::Status BadLabel(const Dataset& dataset, uint64_t index, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(dataset.origin, ": sample ", dataset.RowOf(index),
                                                 " (counted from 0) has label ",
                                                 dataset.LabelOf(index), "; ", wanted));
}

}  // namespace

absl::StatusOr<LoadedData> LoadData(const v1::DataSpec& spec) {
  const v1::DataSpec::Format format = spec.format();
  if (!v1::DataSpec::Format_IsValid(format) || format == v1::DataSpec::FORMAT_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        absl::StrCat("data: format is ", static_cast<int>(format),
                     "; wanted idx (1), csv (2), libsvm (3), tsv (4), jsonl (5) or text_folder "
                     "(6)"));
  }
  if (spec.has_eval() && spec.has_split()) {
    return absl::InvalidArgumentError("data: eval and split are both set; wanted at most one");
  }
  LoadedData loaded;
  if (!spec.has_text()) {
    RETURN_IF_ERROR(LoadNumbers(spec, &loaded));
    SetFacts(format, nullptr, &loaded);
    return loaded;
  }
  ASSIGN_OR_RETURN(LoadedTexts texts, LoadTexts(spec));
  loaded.train = std::move(texts.train);
  loaded.eval = std::move(texts.eval);
  SetFacts(format, &texts, &loaded);
  return loaded;
}

absl::Status CheckLabels(const Dataset& dataset, v1::ModelSpec::Loss loss, uint64_t width) {
  switch (loss) {
    case v1::ModelSpec::MSE:
      return absl::OkStatus();
    case v1::ModelSpec::SOFTMAX_CROSS_ENTROPY:
      for (uint64_t i = 0; i < dataset.samples; ++i) {
        const double label = dataset.LabelOf(i);
        if (label >= 0 && label < static_cast<double>(width) && label == std::floor(label))
          continue;
        return BadLabel(dataset, i,
                        absl::StrCat("softmax_cross_entropy over ", width,
                                     " outputs wants whole numbers from 0 to ", width, " - 1"));
      }
      return absl::OkStatus();
    case v1::ModelSpec::SIGMOID_CROSS_ENTROPY:
      for (uint64_t i = 0; i < dataset.samples; ++i) {
        const float label = dataset.LabelOf(i);
        if (label == 0 || label == 1) continue;
        return BadLabel(dataset, i, "sigmoid_cross_entropy wants 0 or 1");
      }
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("loss is ", static_cast<int>(loss),
                       "; wanted softmax_cross_entropy (1), mse (2) or sigmoid_cross_entropy (3)"));
  }
}

}  // namespace paceline
