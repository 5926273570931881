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

v1::DataFiles Columns(const std::string& bytes, const std::string& text, const std::string& label) {
  v1::DataFiles files = Text(bytes, label);
  files.set_text(text);
  return files;
}

TEST_CASE("tsv is told by its columns and its header") {
  const auto error = [](const v1::DataFiles& files) {
    return std::string(DescribeTsv(files).status().message()).substr(files.path().size() + 2);
  };

  CHECK(*DescribeTsv(Columns("a text\t7\tham\n", "first", "last")) == "3 columns and no header");
  CHECK(*DescribeTsv(Columns("x\ty\nHi.\tham\n", "x", "last")) == "2 columns and a header");
  CHECK(error(Columns("a text\n", "first", "last")) ==
        "its first line has one column; wanted a text and a label with a tab between them");
  CHECK(error(Columns("x\ty\n", "x", "y")) == "has a header but no samples");
  CHECK(error(Columns("x\ty\na\tb\n", "z", "y")) ==
        "no column is named 'z', the text; the header's names are 'x', 'y'");
  CHECK(error(Columns("a\tb\na\tb\tc\n", "first", "last")) ==
        "its second line has 3 columns; the first has 2");

  v1::DataFiles headless = Columns("x\ty\n", "x", "y");
  headless.set_header(v1::DataFiles::NO);
  CHECK(error(headless) == "the text is column 'x', but the file has no header to name it");
}

TEST_CASE("jsonl is told by its first sample") {
  const auto error = [](const std::string& bytes) {
    const v1::DataFiles files = Columns(bytes, "text", "label");
    return std::string(DescribeJsonl(files).status().message()).substr(files.path().size() + 2);
  };

  CHECK(*DescribeJsonl(Columns("{\"text\":\"a\",\"label\":\"x\"}\n", "text", "label")) ==
        "the first sample is of class 'x'");
  CHECK(*DescribeJsonl(Columns("{\"t\":\"a\",\"l\":3}\n", "t", "l")) ==
        "the first sample is of class '3'");
  CHECK(error("a,b\n") == "its first line is not one JSON object");
  CHECK(error("[1]\n") == "its first line is not one JSON object");
  CHECK(error("{\"label\":1}\n") == "its first sample has no key 'text'");
  CHECK(error("{\"text\":\"a\"}\n") == "its first sample has no key 'label'");
  CHECK(error("{\"text\":1,\"label\":1}\n") == "the text of its first sample is no string");
  CHECK(error("{\"text\":\"a\",\"label\":1.5}\n") ==
        "the label of its first sample is neither a string nor a whole number");
}

TEST_CASE("a folder of texts is told by its classes") {
  v1::DataFiles files;
  files.set_path(Path("classes"));
  CHECK(absl::IsNotFound(DescribeTextFolder(files).status()));
  std::filesystem::create_directories(Path("classes/.cache"));
  CHECK(DescribeTextFolder(files).status().message() ==
        Path("classes") + ": is empty; wanted a folder for each class");

  std::filesystem::create_directory(Path("classes/spam"));
  std::filesystem::create_directory(Path("classes/ham"));
  CHECK(*DescribeTextFolder(files) == "2 classes: 'ham', 'spam'");

  Write("classes/README", "x");
  CHECK(DescribeTextFolder(files).status().message() ==
        Path("classes") +
            ": holds 'README', which is no folder; wanted a folder for each class "
            "and nothing beside");
}

}  // namespace
}  // namespace paceline::cli
