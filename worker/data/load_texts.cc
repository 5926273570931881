#include "worker/data/load_texts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/status_macros.h"
#include "worker/data/byte_pair_vocabulary.h"
#include "worker/data/byte_source.h"
#include "worker/data/jsonl.h"
#include "worker/data/split.h"
#include "worker/data/text_folder.h"
#include "worker/data/text_pieces.h"
#include "worker/data/texts.h"
#include "worker/data/tsv.h"
#include "worker/data/word_vocabulary.h"

namespace paceline {
namespace {

absl::StatusOr<Texts> ReadFiles(v1::DataSpec::Format format, const v1::DataFiles& files,
                                std::vector<std::string>* classes) {
  if (format == v1::DataSpec::TEXT_FOLDER) return ReadTextFolder(files.path(), classes);
  ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> file, OpenFile(files.path()));
  if (format == v1::DataSpec::TSV) return ReadTsv(file.get(), files.path(), files, classes);
  return ReadJsonl(file.get(), files.path(), files, classes);
}

absl::StatusOr<Texts> Read(const v1::DataSpec& spec, const v1::DataFiles& files,
                           std::vector<std::string>* classes) {
  ASSIGN_OR_RETURN(Texts texts, ReadFiles(spec.format(), files, classes));
  if (spec.text().lower_case()) absl::AsciiStrToLower(&texts.bytes);
  return texts;
}

// All but the rows, which take a vocabulary.
Dataset WithoutRows(const Texts& texts, uint64_t length) {
  Dataset dataset;
  dataset.features = length;
  dataset.samples = texts.samples();
  dataset.origin = texts.origin;
  dataset.shape = {length};
  dataset.labels = std::make_shared<const std::vector<float>>(texts.labels);
  return dataset;
}

// `dataset` says which of the texts are its samples.
PieceCounts CountPieces(const Texts& texts, const Dataset& dataset) {
  PieceCounts counts;
  for (uint64_t i = 0; i < dataset.samples; ++i) {
    absl::string_view rest = texts.TextOf(dataset.RowOf(i));
    while (!rest.empty()) ++counts[TakePiece(&rest)];
  }
  return counts;
}

std::unique_ptr<const Vocabulary> MakeVocabulary(const v1::TextSpec& spec,
                                                 const PieceCounts& counts) {
  if (spec.has_byte_pairs()) {
    return std::make_unique<BytePairVocabulary>(counts, spec.byte_pairs().vocabulary());
  }
  return std::make_unique<WordVocabulary>(counts, spec.words().max_words());
}

std::shared_ptr<const Rows> Encoded(const Texts& texts, const Vocabulary& vocabulary,
                                    uint64_t length) {
  TokenRows rows;
  rows.begin.push_back(0);
  absl::flat_hash_map<absl::string_view, std::vector<uint32_t>> known;
  for (uint64_t i = 0; i < texts.samples(); ++i) {
    const size_t most = rows.tokens.size() + length;
    absl::string_view rest = texts.TextOf(i);
    while (!rest.empty() && rows.tokens.size() < most) {
      const absl::string_view piece = TakePiece(&rest);
      const auto [at, is_new] = known.try_emplace(piece);
      if (is_new) vocabulary.Encode(piece, &at->second);
      rows.tokens.insert(rows.tokens.end(), at->second.begin(), at->second.end());
    }
    rows.tokens.resize(std::min(rows.tokens.size(), most));
    rows.begin.push_back(rows.tokens.size());
  }
  return std::make_shared<const Rows>(std::move(rows));
}

}  // namespace

void LoadedTexts::AddTo(Sha256* hash) const {
  vocabulary->AddTo(hash);
  for (const std::string& name : classes) hash->Update(name.c_str(), name.size() + 1);
}

absl::StatusOr<LoadedTexts> LoadTexts(const v1::DataSpec& spec) {
  const uint64_t length = spec.text().length();
  LoadedTexts loaded;
  ASSIGN_OR_RETURN(const Texts train, Read(spec, spec.train(), &loaded.classes));
  loaded.train = WithoutRows(train, length);
  Texts eval;
  if (spec.has_eval()) {
    ASSIGN_OR_RETURN(eval, Read(spec, spec.eval(), &loaded.classes));
    loaded.eval = WithoutRows(eval, length);
  }
  if (spec.has_split()) {
    ASSIGN_OR_RETURN(SplitDatasets parts,
                     Split(loaded.train, spec.split().eval_fraction(), spec.split().seed()));
    loaded.train = std::move(parts.train);
    loaded.eval = std::move(parts.eval);
  }
  loaded.vocabulary = MakeVocabulary(spec.text(), CountPieces(train, loaded.train));
  loaded.train.rows = Encoded(train, *loaded.vocabulary, length);
  if (spec.has_split()) loaded.eval.rows = loaded.train.rows;
  if (spec.has_eval()) loaded.eval.rows = Encoded(eval, *loaded.vocabulary, length);
  return loaded;
}

}  // namespace paceline
