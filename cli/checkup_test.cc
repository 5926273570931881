#include "cli/checkup.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/test_files.h"
#include "common/base/version.h"

namespace paceline::cli {
namespace {

namespace fs = std::filesystem;

// A script that answers whatever is asked with `answer`.
void MakeAnswering(const fs::path& path, const std::string& answer) {
  MakeProgram(path, "echo '" + answer + "'");
}

// Listens on a free port of loopback while it lives.
class Listener {
 public:
  Listener() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), bytes) == 0);
    REQUIRE(::listen(socket_, 1) == 0);
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(socket_); }
  int port() const { return port_; }

 private:
  const int socket_;
  int port_ = 0;
};

TEST_CASE("a port that somebody listens at is bad, with how to see who it is") {
  const Listener listener;
  const std::string port = std::to_string(listener.port());

  const Finding finding = CheckPort(listener.port());

  CHECK(finding.level == Finding::kBad);
  CHECK(finding.what == "port");
  CHECK(finding.seen == port + ": Address already in use");
  CHECK(finding.advice == "see who has it: ss -ltnp 'sport = :" + port + "'");
}

TEST_CASE("loopback can be listened at, as this test does") {
  const Listener listener;

  CHECK(CheckLoopback().level == Finding::kGood);
}

TEST_CASE("a program of this release is good, in whatever folder") {
  const fs::path folder = Folder("it's here");
  MakeAnswering(folder / "paceline-server", std::string("paceline-server ") + kRelease);

  const Finding finding = CheckProgram("paceline-server", folder.string());

  CHECK(finding.level == Finding::kGood);
  CHECK(finding.seen == (folder / "paceline-server").string() + " (" + kRelease + ")");
}

TEST_CASE("a program of another release is bad") {
  const fs::path folder = Folder("old");
  MakeAnswering(folder / "paceline-worker", "paceline-worker 0.0.1");

  const Finding finding = CheckProgram("paceline-worker", folder.string());

  CHECK(finding.level == Finding::kBad);
  CHECK(finding.seen == (folder / "paceline-worker").string() + " says \"paceline-worker 0.0.1\"");
  CHECK(finding.advice ==
        std::string("it must be of this program's release: paceline-worker ") + kRelease);
}

TEST_CASE("a program that is missing is bad, with how to build it") {
  const Finding finding = CheckProgram("paceline-server", Folder("empty").string());

  CHECK(finding.level == Finding::kBad);
  CHECK(finding.advice ==
        "build them with: bazel build //server:paceline-server //worker:paceline-worker");
}

TEST_CASE("each file of a spec is a finding; one that is missing says what to do") {
  const fs::path folder = Folder("spec");
  std::ofstream(folder / "train.csv") << "1,2\n";
  std::ofstream(folder / "job.yaml")
      << "name: n\n"
         "data: {format: csv, train: {path: train.csv}, eval: {path: eval.csv}}\n"
         "model: {layers: [{linear: 1}], loss: mse}\n";

  const std::vector<Finding> findings = CheckSpec((folder / "job.yaml").string());

  REQUIRE(findings.size() == 3);
  CHECK(findings[0].level == Finding::kGood);
  CHECK(findings[1].level == Finding::kGood);
  CHECK(findings[1].seen == (folder / "train.csv").string() + ": 2 columns and no header");
  CHECK(findings[2].level == Finding::kBad);
  CHECK(findings[2].seen == (folder / "eval.csv").string() + ": No such file or directory");
  CHECK(findings[2].advice ==
        "correct the path in the spec; paths are relative to the spec's own folder");
}

TEST_CASE("missing Fashion-MNIST files name the package that has them") {
  const fs::path folder = Folder("fashion");
  std::ofstream(folder / "job.yaml")
      << "name: n\n"
         "data: {format: idx, train: {images: dataset-fashion-mnist/i, labels: "
         "dataset-fashion-mnist/l}}\n"
         "model: {layers: [{linear: 10}], loss: softmax_cross_entropy}\n";

  const std::vector<Finding> findings = CheckSpec((folder / "job.yaml").string());

  REQUIRE(findings.size() == 3);
  CHECK(findings[1].advice ==
        "correct the path in the spec; paths are relative to the spec's own folder. "
        "Fashion-MNIST is Debian's package dataset-fashion-mnist");
}

TEST_CASE("a file that is there, but not of the spec's format, is bad") {
  const fs::path folder = Folder("format");
  std::ofstream(folder / "train.csv") << "1,2\n";
  std::ofstream(folder / "idx.yaml")
      << "name: n\n"
         "data: {format: idx, train: {images: train.csv, labels: train.csv}}\n"
         "model: {layers: [{linear: 1}], loss: mse}\n";
  std::ofstream(folder / "libsvm.yaml") << "name: n\n"
                                           "data: {format: libsvm, train: {path: train.csv}}\n"
                                           "model: {layers: [{linear: 1}], loss: mse}\n";

  for (const char* spec : {"idx.yaml", "libsvm.yaml"}) {
    const std::vector<Finding> findings = CheckSpec((folder / spec).string());
    REQUIRE(findings.size() >= 2);
    CHECK(findings[1].level == Finding::kBad);
    CHECK(findings[1].advice == "a worker will refuse it: correct data.format or the file");
  }
}

TEST_CASE("files and folders of texts are looked at, each as its format") {
  const fs::path folder = Folder("texts");
  std::ofstream(folder / "a.tsv") << "A text\tham\n";
  std::ofstream(folder / "a.jsonl") << "{\"text\": \"A text\", \"label\": \"ham\"}\n";
  fs::create_directories(folder / "texts" / "ham");
  const std::string rest =
      "}, text: 4}\n"
      "model: {layers: [{embedding: {vocabulary: 20000, width: 2}}, global_average_pool, "
      "{linear: 2}], loss: softmax_cross_entropy}\n";
  const auto seen = [&](const std::string& format, const std::string& path) {
    std::ofstream(folder / "job.yaml")
        << "name: n\ndata: {format: " << format << ", train: {path: " << path << rest;
    const std::vector<Finding> findings = CheckSpec((folder / "job.yaml").string());
    REQUIRE(findings.size() == 2);
    CHECK(findings[1].level == Finding::kGood);
    return findings[1].seen.substr((folder / path).string().size() + 2);
  };

  CHECK(seen("tsv", "a.tsv") == "2 columns and no header");
  CHECK(seen("jsonl", "a.jsonl") == "the first sample is of class 'ham'");
  CHECK(seen("text_folder", "texts") == "1 class: 'ham'");
}

TEST_CASE("as many labels as images, or the pair is bad") {
  const fs::path folder = Folder("pair");
  const std::string head("\0\0\x08\x02\0\0\0\x02\0\0\0\x01", 12);
  std::ofstream(folder / "images") << head << "ab";
  std::ofstream(folder / "labels") << std::string(
      "\0\0\x08\x01\0\0\0\x03"
      "abc",
      11);
  std::ofstream(folder / "job.yaml")
      << "name: n\n"
         "data: {format: idx, train: {images: images, labels: labels}}\n"
         "model: {layers: [{linear: 1}], loss: mse}\n";

  const std::vector<Finding> findings = CheckSpec((folder / "job.yaml").string());

  REQUIRE(findings.size() == 4);
  CHECK(findings[1].seen == (folder / "images").string() + ": 2 x 1");
  CHECK(findings[2].seen == (folder / "labels").string() + ": 3");
  CHECK(findings[3].level == Finding::kBad);
  CHECK(findings[3].seen == (folder / "images").string() + ": has 2 images, but " +
                                (folder / "labels").string() + " has 3 labels");
}

TEST_CASE("a server's own port is looked at, too; that it is taken is not bad") {
  const Listener listener;
  const std::string port = std::to_string(listener.port());

  const Finding finding = CheckDefaultPort(listener.port());

  CHECK(finding.level == Finding::kNote);
  CHECK(finding.seen == port + ", a server's default: Address already in use");
  CHECK(finding.advice == "does a fleet of this machine have it? ss -ltnp 'sport = :" + port +
                              "'; else give servers another one with --listen");
}

TEST_CASE("a spec that cannot be read is one bad finding") {
  const std::vector<Finding> findings = CheckSpec("/no/such/job.yaml");

  REQUIRE(findings.size() == 1);
  CHECK(findings[0].level == Finding::kBad);
  CHECK(findings[0].what == "spec");
}

TEST_CASE("what this machine is like is never bad") {
  CHECK(CheckCpu().level != Finding::kBad);
  CHECK(CheckMemory().level != Finding::kBad);
  CHECK(CheckGpu().level != Finding::kBad);
  CHECK(CheckOpenFiles().level != Finding::kBad);
}

const std::vector<Finding> kFindings = {{Finding::kGood, "cpu", "8 cores", ""},
                                        {Finding::kBad, "port", "80: taken", "take another"}};

TEST_CASE("findings as people read them") {
  CHECK(FindingsText(kFindings) ==
        "ok    cpu              8 cores\n"
        "BAD   port             80: taken\n"
        "                       -> take another\n");
}

TEST_CASE("findings as scripts read them, whatever bytes were seen") {
  const auto json = nlohmann::json::parse(FindingsJson(kFindings));
  CHECK(json == nlohmann::json::parse(
                    R"([{"level": "ok", "what": "cpu", "seen": "8 cores", "advice": ""},
                        {"level": "BAD", "what": "port", "seen": "80: taken",
                         "advice": "take another"}])"));

  const auto odd = nlohmann::json::parse(FindingsJson({{Finding::kNote, "data", "\xff", ""}}));
  CHECK(odd[0]["level"] == "note");
  CHECK(odd[0]["seen"] == "\ufffd");
  CHECK(FindingsJson({}) == "[]\n");
}

TEST_CASE("all is well unless something is bad") {
  CHECK(AllWell({}));
  CHECK(AllWell({{Finding::kGood, "", "", ""}, {Finding::kNote, "", "", ""}}));
  CHECK_FALSE(AllWell(kFindings));
}

}  // namespace
}  // namespace paceline::cli
