#include "worker/data/load_texts.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;
using Names = std::vector<std::string>;
using Numbers = std::vector<float>;

v1::DataSpec TsvSpec(const std::string& train, uint32_t length) {
  v1::DataSpec spec;
  spec.set_format(v1::DataSpec::TSV);
  spec.mutable_train()->set_path(WriteTestFile("train.tsv", train));
  spec.mutable_train()->set_text("first");
  spec.mutable_train()->set_label("last");
  spec.mutable_text()->set_length(length);
  spec.mutable_text()->set_lower_case(true);
  spec.mutable_text()->mutable_words()->set_max_words(100);
  return spec;
}

v1::DataFiles TsvFile(const std::string& name, const std::string& text) {
  v1::DataFiles files;
  files.set_path(WriteTestFile(name, text));
  files.set_text("first");
  files.set_label("last");
  return files;
}

LoadedTexts Loaded(const v1::DataSpec& spec) {
  absl::StatusOr<LoadedTexts> loaded = LoadTexts(spec);
  INFO(loaded.status());
  REQUIRE(loaded.ok());
  return std::move(*loaded);
}

Numbers Sample(const Dataset& dataset, uint64_t index) {
  Numbers features(dataset.features);
  float label;
  dataset.Gather({index}, absl::MakeSpan(features), absl::MakeSpan(&label, 1));
  return features;
}

std::string HashOf(const v1::DataSpec& spec) {
  const LoadedTexts loaded = Loaded(spec);
  Sha256 hash;
  loaded.train.AddTo(&hash);
  loaded.eval.AddTo(&hash);
  loaded.AddTo(&hash);
  return hash.Hex();
}

TEST_CASE("texts become tokens, the most frequent word first, cut or filled up to a length") {
  // "b" comes three times, "a" twice, "c" once: tokens 2, 3 and 4.
  const LoadedTexts loaded = Loaded(TsvSpec("A b\tx\nb B a c\ty\n", 3));

  CHECK(loaded.classes == Names{"x", "y"});
  CHECK(loaded.vocabulary->size() == 5);
  CHECK(loaded.train.shape == std::vector<uint64_t>{3});
  CHECK(Sample(loaded.train, 0) == Numbers{3, 2, 0});
  CHECK(Sample(loaded.train, 1) == Numbers{2, 2, 3});
  CHECK(loaded.train.LabelOf(1) == 1);
  CHECK(loaded.eval.samples == 0);
}

TEST_CASE("letters keep their case where the spec says so") {
  v1::DataSpec spec = TsvSpec("A a a\tx\n", 3);
  spec.mutable_text()->set_lower_case(false);

  CHECK(Sample(Loaded(spec).train, 0) == Numbers{3, 2, 2});
}

TEST_CASE("evaluation samples are written in the training samples' words") {
  v1::DataSpec spec = TsvSpec("a\tx\n", 2);
  *spec.mutable_eval() = TsvFile("eval.tsv", "new a\tx\n");

  const LoadedTexts loaded = Loaded(spec);

  CHECK(Sample(loaded.eval, 0) == Numbers{1, 2});
  CHECK(loaded.vocabulary->size() == 3);
}

TEST_CASE("the words of samples that are held out are not learned") {
  v1::DataSpec spec = TsvSpec("", 1);
  std::string text;
  for (int i = 0; i < 40; ++i) text += "word" + std::to_string(i) + "\tx\n";
  *spec.mutable_train() = TsvFile("split.tsv", text);
  spec.mutable_split()->set_eval_fraction(0.3);
  spec.mutable_split()->set_seed(1);

  const LoadedTexts loaded = Loaded(spec);

  CHECK(loaded.train.samples + loaded.eval.samples == 40);
  CHECK(loaded.vocabulary->size() == 2 + loaded.train.samples);
  for (uint64_t i = 0; i < loaded.eval.samples; ++i) CHECK(Sample(loaded.eval, i) == Numbers{1});
  for (uint64_t i = 0; i < loaded.train.samples; ++i) CHECK(Sample(loaded.train, i)[0] >= 2);
}

TEST_CASE("byte pairs write any text, and a frequent word is one token") {
  v1::DataSpec spec = TsvSpec("the cat the the\tx\n", 6);
  spec.mutable_text()->mutable_byte_pairs()->set_vocabulary(300);
  *spec.mutable_eval() = TsvFile("eval.tsv", "\xc3\xa9 the\tx\n");

  const LoadedTexts loaded = Loaded(spec);

  // Pairs: h e (3), t he (3), ' ' the (2): tokens 257, 258, 259; then nothing comes twice.
  CHECK(loaded.vocabulary->size() == 260);
  CHECK(Sample(loaded.train, 0) == Numbers{258, 33, 100, 98, 117, 259});
  CHECK(Sample(loaded.eval, 0) == Numbers{0xc3 + 1, 0xa9 + 1, 259, 0, 0, 0});
}

TEST_CASE("files and folders of the same texts give the same samples") {
  v1::DataSpec jsonl = TsvSpec("", 4);
  jsonl.set_format(v1::DataSpec::JSONL);
  jsonl.mutable_train()->set_path(
      WriteTestFile("same.jsonl", "{\"t\":\"a b\",\"l\":\"x\"}\n{\"t\":\"b\",\"l\":\"y\"}\n"));
  jsonl.mutable_train()->set_text("t");
  jsonl.mutable_train()->set_label("l");
  v1::DataSpec folder = TsvSpec("", 4);
  folder.set_format(v1::DataSpec::TEXT_FOLDER);
  for (const char* name : {"same", "same/x", "same/y"}) {
    std::filesystem::create_directory(TestPath(name));
  }
  WriteTestFile("same/x/1.txt", "a b");
  WriteTestFile("same/y/1.txt", "b");
  folder.mutable_train()->set_path(TestPath("same"));

  const std::string wanted = HashOf(TsvSpec("a b\tx\nb\ty\n", 4));
  CHECK(HashOf(jsonl) == wanted);
  CHECK(HashOf(folder) == wanted);
}

TEST_CASE("other words or classes behind the same numbers are another hash") {
  const std::string hash = HashOf(TsvSpec("a b\tx\nb\ty\n", 4));

  CHECK(HashOf(TsvSpec("A B\tx\nb\ty\n", 4)) == hash);
  CHECK(HashOf(TsvSpec("a c\tx\nc\ty\n", 4)) != hash);
  CHECK(HashOf(TsvSpec("a b\tx\nb\tz\n", 4)) != hash);
}

TEST_CASE("what cannot be read is refused by its file, for either set") {
  v1::DataSpec spec = TsvSpec("a\tx\n", 1);
  *spec.mutable_eval() = TsvFile("eval.tsv", "a\tx\na\tz\n");
  const std::string unknown_class(LoadTexts(spec).status().message());
  spec.mutable_eval()->set_path(TestPath("absent.tsv"));

  CHECK_THAT(unknown_class, Contains("eval.tsv:2: no training sample is of class 'z'"));
  CHECK(absl::IsNotFound(LoadTexts(spec).status()));
  CHECK_THAT(std::string(LoadTexts(TsvSpec("a\tx\nb\n", 1)).status().message()),
             Contains("train.tsv:2: has 1 columns; line 1 has 2"));
}

}  // namespace
}  // namespace paceline
