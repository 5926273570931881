#include "worker/data/idx.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "worker/data/test_files.h"

namespace paceline {
namespace {

using Catch::Matchers::Contains;

absl::StatusOr<IdxArray> Parse(const std::string& bytes) {
  MemorySource source(bytes);
  return ReadIdx(&source, "a.idx");
}

std::string Error(const std::string& bytes) {
  const absl::StatusOr<IdxArray> array = Parse(bytes);
  REQUIRE(absl::IsInvalidArgument(array.status()));
  return std::string(array.status().message());
}

absl::StatusOr<Dataset> Join(const IdxArray& images, const IdxArray& labels) {
  return MakeIdxDataset(images, "i.idx", labels, "l.idx");
}

std::string JoinError(const IdxArray& images, const IdxArray& labels) {
  const absl::StatusOr<Dataset> dataset = Join(images, labels);
  REQUIRE(absl::IsInvalidArgument(dataset.status()));
  return std::string(dataset.status().message());
}

TEST_CASE("a file gives its dimensions and values, plain or gzip") {
  const std::string plain = IdxBytes({2, 1, 3}, "abcdef");

  for (const std::string& bytes : {plain, Gzip(plain)}) {
    const absl::StatusOr<IdxArray> array = Parse(bytes);
    REQUIRE(array.ok());
    CHECK(array->shape == std::vector<uint64_t>{2, 1, 3});
    CHECK(array->values == std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  }
}

TEST_CASE("a file of many values comes out whole") {
  const std::string values(1000003, 'v');

  const absl::StatusOr<IdxArray> array = Parse(Gzip(IdxBytes({1000003}, values)));

  REQUIRE(array.ok());
  CHECK(std::string(array->values.begin(), array->values.end()) == values);
}

TEST_CASE("every cut of a file, and one byte too many, are refused") {
  const std::string whole = IdxBytes({2, 3}, "abcdef");

  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_THAT(Error(whole.substr(0, size)), Contains("a.idx: ends "));
    CHECK_THAT(Error(Gzip(whole.substr(0, size))), Contains("a.idx: ends "));
  }
  CHECK_THAT(Error(""), Contains("ends after 0 bytes"));
  CHECK_THAT(Error(whole.substr(0, 10)), Contains("inside its header; wanted 2 dimensions"));
  CHECK_THAT(Error(whole.substr(0, 17)), Contains("ends after 5 of the 6 values"));
  CHECK_THAT(Error(whole + "g"), Contains("goes on after the 6 values"));
  CHECK_THAT(Error(Gzip(whole + "g")), Contains("goes on after the 6 values"));
}

TEST_CASE("what is not IDX of unsigned bytes is refused with what was seen") {
  std::string floats = IdxBytes({1}, "abcd");
  floats[2] = 0x0d;

  CHECK_THAT(Error("text file"), Contains("begins with bytes 74 65 78 74; an IDX file"));
  CHECK_THAT(Error(floats), Contains("elements of IDX type 0x0d; wanted 0x08"));
  CHECK_THAT(Error(IdxBytes({}, "")), Contains("has rank 0"));
  CHECK_THAT(Error(IdxBytes({3, 0}, "")), Contains("dimension 1 is 0"));
}

TEST_CASE("a corrupt gzip checksum is found though every value arrived") {
  std::string bytes = Gzip(IdxBytes({2, 3}, "abcdef"));
  bytes[bytes.size() - 8] ^= 1;

  CHECK_THAT(Error(bytes), Contains("a.idx: the gzip bytes are corrupt: incorrect data check"));
}

TEST_CASE("a declared size above the bound is refused, even where it overflows") {
  CHECK_THAT(Error(IdxBytes({0xffffffff, 5}, "")), Contains("declares 4294967295 * 5 values"));
  CHECK_THAT(Error(IdxBytes({65536, 65536, 65536, 65536}, "")), Contains("is 17179869184"));
}

// Counts what is read of an endless run of zeros behind `head`.
class Zeros : public ByteSource {
 public:
  explicit Zeros(std::string head) : head_(std::move(head)) {}

  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override {
    for (uint8_t& byte : out) {
      byte = read_ < head_.size() ? static_cast<uint8_t>(head_[read_]) : 0;
      ++read_;
    }
    return out.size();
  }

  size_t read() const { return read_; }

 private:
  const std::string head_;
  size_t read_ = 0;
};

TEST_CASE("a decompression bomb stops at the declared size") {
  // 64 MB of zeros compress to about 64 KB; the header declares 10.
  const std::string bomb = Gzip(IdxBytes({10}, std::string(64000000, '\0')));
  Zeros endless(IdxBytes({10}, ""));

  CHECK_THAT(Error(bomb), Contains("goes on after the 10 values"));
  CHECK_FALSE(ReadIdx(&endless, "a.idx").ok());
  CHECK(endless.read() <= 256 * 1024);  // One buffer.
}

TEST_CASE("a header that declares gigabytes allocates only for the bytes that come") {
  // Were the 16 GB allocated, this would fail or take seconds.
  CHECK_THAT(Error(IdxBytes({16, 1000000000}, "abc")),
             Contains("ends after 3 of the 16000000000 values"));
}

TEST_CASE("images and labels make a dataset") {
  const absl::StatusOr<Dataset> dataset =
      Join({{2, 1, 2}, {0, 51, 102, 255}}, IdxArray{{2}, {3, 250}});

  REQUIRE(dataset.ok());
  CHECK(dataset->samples == 2);
  CHECK(dataset->features == 2);
  CHECK(dataset->shape == std::vector<uint64_t>{1, 2});
  CHECK(dataset->LabelOf(1) == 250);
  std::vector<float> row(2);
  DenseRow(*dataset->rows, 1, absl::MakeSpan(row));
  CHECK(row == std::vector<float>{0.4f, 1});
}

TEST_CASE("wrong ranks, unequal counts and huge images are refused by name") {
  const IdxArray images = {{2, 2}, {1, 2, 3, 4}};
  const IdxArray labels = {{2}, {1, 2}};
  IdxArray huge;
  huge.shape = {2, kFeaturesMax + 1};

  CHECK_THAT(JoinError(labels, labels), Contains("i.idx: has rank 1; images have rank 2 or more"));
  CHECK_THAT(JoinError(images, images), Contains("l.idx: has rank 2; labels have rank 1"));
  CHECK_THAT(JoinError(images, IdxArray{{3}, {1, 2, 3}}),
             Contains("i.idx: has 2 images, but l.idx has 3 labels"));
  CHECK_THAT(JoinError(huge, labels), Contains("16777217 values an image"));
}

}  // namespace
}  // namespace paceline
