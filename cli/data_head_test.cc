#include "cli/data_head.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace paceline::cli {
namespace {

using Shape = std::vector<uint64_t>;

std::string Path(const std::string& name) {
  return (std::filesystem::path(std::getenv("TEST_TMPDIR")) / name).string();
}

std::string Write(const std::string& name, const std::string& bytes) {
  std::ofstream(Path(name), std::ios::binary) << bytes;
  return Path(name);
}

std::string WriteGzip(const std::string& name, const std::string& bytes) {
  const gzFile file = ::gzopen(Path(name).c_str(), "wb");
  REQUIRE(::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) > 0);
  REQUIRE(::gzclose(file) == Z_OK);
  return Path(name);
}

// An IDX file of unsigned bytes, all 0; each dimension below 256.
std::string Idx(const std::vector<char>& shape) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  size_t values = 1;
  for (const char size : shape) {
    bytes += std::string{'\0', '\0', '\0', size};
    values *= static_cast<size_t>(size);
  }
  return bytes + std::string(values, '\0');
}

std::string IdxError(const std::string& bytes) {
  const std::string path = Write("bad.idx", bytes);
  const auto shape = ReadIdxShape(path);
  REQUIRE(absl::IsInvalidArgument(shape.status()));
  const std::string message(shape.status().message());
  REQUIRE(message.find(path + ": ") == 0);
  return message.substr(path.size() + 2);
}

v1::DataFiles Text(const std::string& text, const std::string& label = "last") {
  v1::DataFiles files;
  files.set_path(Write("text", text));
  files.set_label(label);
  return files;
}

std::string CsvError(const v1::DataFiles& files) {
  const auto seen = DescribeCsv(files);
  REQUIRE(absl::IsInvalidArgument(seen.status()));
  const std::string message(seen.status().message());
  REQUIRE(message.find(files.path() + ": ") == 0);
  return message.substr(files.path().size() + 2);
}

TEST_CASE("an IDX file says its dimensions, plain or gzip") {
  CHECK(*ReadIdxShape(Write("plain.idx", Idx({3, 2, 2}))) == Shape{3, 2, 2});
  CHECK(*ReadIdxShape(WriteGzip("packed.idx.gz", Idx({3}))) == Shape{3});
}

TEST_CASE("what is no IDX file of unsigned bytes is told by what it begins with or lacks") {
  CHECK(IdxError("1,2,3\n") ==
        "begins with bytes 31 2c 32 2c; an IDX file of unsigned bytes begins with 00 00 08 and its "
        "rank");
  CHECK(IdxError(std::string("\0\0\x0d\x01", 4)).find("begins with bytes 00 00 0d 01;") == 0);
  CHECK(IdxError("") == "ends within 4 bytes, or is broken gzip; wanted an IDX header");
  CHECK(IdxError(Idx({3, 2}).substr(0, 9)) == "ends inside its header; wanted 2 dimensions");
  CHECK(IdxError(Idx({3, 0})) == "declares 3 x 0 values or more; wanted 1 to 17179869184");
  CHECK(IdxError(Idx({3, 2}).substr(0, 15)) ==
        "has 15 bytes, but its header declares 3 x 2 values; wanted 18");
}

TEST_CASE("a file that is not there, or no file, is told with its path") {
  CHECK(absl::IsNotFound(ReadIdxShape(Path("nowhere")).status()));
  CHECK(ReadIdxShape(Path("nowhere")).status().message() ==
        Path("nowhere") + ": No such file or directory");
  v1::DataFiles folder;
  folder.set_path(std::getenv("TEST_TMPDIR"));
  CHECK(CsvError(folder) == "is not a regular file");
}

TEST_CASE("images and labels belong together if they are as many") {
  v1::DataFiles files;
  files.set_images("i");
  files.set_labels("l");

  CHECK(CheckIdxPair({3, 2, 2}, {3}, files).ok());
  CHECK(CheckIdxPair({3}, {3, 2, 2}, files).message() ==
        "i: has rank 1; images have rank 2 or more (are the images and the labels interchanged?)");
  CHECK(CheckIdxPair({3, 2}, {3, 1}, files).message() == "l: has rank 2; labels have rank 1");
  CHECK(CheckIdxPair({3, 2}, {4}, files).message() == "i: has 3 images, but l has 4 labels");
}

TEST_CASE("csv is told by its columns and its header") {
  CHECK(*DescribeCsv(Text("1, 2,3\n")) == "3 columns and no header");
  CHECK(*DescribeCsv(Text("\xef\xbb\xbf\r\n\"a, b\",y\r\n1,2\r\n")) == "2 columns and a header");
  CHECK(*DescribeCsv(Text("\"say \"\"a\"\"\",y\n1,2\n", "say \"a\"")) == "2 columns and a header");
  CHECK(*DescribeCsv(Text(std::string(2 << 20, '1'))) == "its first line is too long to look at");
}

TEST_CASE("csv that no worker would take is told by what is wrong with it") {
  CHECK(CsvError(Text("")) == "is empty; wanted at least one sample");
  CHECK(CsvError(Text("1\n2\n")) ==
        "its first line has one column; wanted the label and at least one feature");
  CHECK(CsvError(Text("a,b\n")) == "has a header but no samples");
  CHECK(CsvError(Text("a,b\n1,2,3\n")) == "its first sample has 3 columns; the header has 2");
  CHECK(CsvError(Text("a,b\n1,x\n")) == "column 2 of the first sample: 'x' is not a finite number");
  CHECK(CsvError(Text("1,nan\n")) == "column 2 of the first sample: 'nan' is not a finite number");
  CHECK(CsvError(Text("a,b\n1,2\n", "c")) ==
        "no column is named 'c', the label; the header's names are 'a', 'b'");
  CHECK(CsvError(Text("a,a\n1,2\n", "a")).find("more than one column is named 'a'") == 0);
  CHECK(CsvError(Text("1,2\n", "c")) ==
        "the label is column 'c', but the file has no header to name it");
  CHECK(CsvError(Text("\x1f\x8b\x08\n")) ==
        "is no text; this format is read neither compressed nor binary");

  v1::DataFiles headless = Text("a,b\n1,2\n");
  headless.set_header(v1::DataFiles::NO);
  CHECK(CsvError(headless) == "column 1 of the first sample: 'a' is not a finite number");
}

TEST_CASE("libsvm is told by its first sample") {
  CHECK(*DescribeLibsvm(Text("# made today\n+1 1:0.5 7:2e3 # a sample\n")) ==
        "the first sample has 2 values");
  const auto error = [](const std::string& text) {
    const v1::DataFiles files = Text(text);
    return std::string(DescribeLibsvm(files).status().message()).substr(files.path().size() + 2);
  };
  CHECK(error("spam 1:2\n") == "the label 'spam' of the first sample is not a number");
  CHECK(error("1,2,3\n") == "the label '1,2,3' of the first sample is not a number");
  for (const std::string pair : {"0:1", "x:1", "1:x", "12", ":1", "-1:2"}) {
    CHECK(error("1 " + pair + "\n") ==
          "'" + pair + "' in the first sample is not index:value, with indices from 1");
  }
  CHECK(error("# nothing\n") == "is empty; wanted at least one sample");
}

}  // namespace
}  // namespace paceline::cli
