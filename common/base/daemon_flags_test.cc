#include "common/base/daemon_flags.h"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace paceline {
namespace {

// A program with one flag of its own.
struct Toy {
  Toy() : flags({"paceline-toy", "Plays.", "Exit codes: 0."}) {
    flags.app().add_option("--play-ms", play_ms, "how long");
  }

  absl::Status Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "paceline-toy");
    return flags.Parse(static_cast<int>(arguments.size()), arguments.data());
  }

  DaemonFlags flags;
  int play_ms = 1;
};

// Holds one file for as long as it lives.
class Folder {
 public:
  explicit Folder(const std::string& text) {
    path_ = std::filesystem::temp_directory_path() / "paceline-flags-XXXXXX";
    REQUIRE(mkdtemp(path_.data()) != nullptr);
    REQUIRE(WriteFileAtomically(file(), text).ok());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/toy.toml"; }

 private:
  std::string path_;
};

TEST_CASE("without flags the log is text, from info on, to standard error") {
  Toy toy;
  REQUIRE(toy.Parse({}).ok());
  CHECK(toy.flags.log().program == "paceline-toy");
  CHECK(toy.flags.log().format == LogFormat::kText);
  CHECK(toy.flags.log().level == LogLevel::kInfo);
  CHECK(toy.flags.log().file.empty());
  CHECK(toy.flags.answer().empty());
  CHECK(toy.play_ms == 1);
}

TEST_CASE("every common flag reaches the log's options, and the program's own its variable") {
  Toy toy;
  REQUIRE(
      toy.Parse({"--log-format=json", "--log-level=debug", "--log-file=log", "--play-ms=9"}).ok());
  CHECK(toy.flags.log().format == LogFormat::kJson);
  CHECK(toy.flags.log().level == LogLevel::kDebug);
  CHECK(toy.flags.log().file == "log");
  CHECK(toy.play_ms == 9);
}

TEST_CASE("a flag counts before the file, the file before the environment") {
  const Folder folder("log-level = \"warning\"\nlog-file = \"from-file\"\n");
  setenv("PACELINE_TOY_LOG_FILE", "from-environment", 1);
  setenv("PACELINE_TOY_PLAY_MS", "7", 1);

  Toy toy;
  const absl::Status status =
      toy.Parse({"--config", folder.file().c_str(), "--log-level", "error"});
  unsetenv("PACELINE_TOY_LOG_FILE");
  unsetenv("PACELINE_TOY_PLAY_MS");

  REQUIRE(status.ok());
  CHECK(toy.flags.log().level == LogLevel::kError);
  CHECK(toy.flags.log().file == "from-file");
  CHECK(toy.play_ms == 7);
}

TEST_CASE("a wrong command line says what is wrong, and where help is") {
  const Folder folder("lock-level = \"warning\"\n");
  const std::vector<std::vector<const char*>> wrong = {
      {"--nonsense"},         {"--log-format=xml"},           {"--log-level=loud"},
      {"--play-ms=for ever"}, {"--config=/nonexistent/file"}, {"stray"}};
  for (const auto& arguments : wrong) {
    CHECK(absl::IsInvalidArgument(Toy().Parse(arguments)));
  }

  CHECK(std::string(Toy().Parse({"--nonsense"}).message()).find("paceline-toy --help") !=
        std::string::npos);
  const std::string unknown(Toy().Parse({"--config", folder.file().c_str()}).message());
  CHECK(unknown.find("lock-level") != std::string::npos);
}

TEST_CASE("help names the environment; the version is the release") {
  Toy help;
  REQUIRE(help.Parse({"--help"}).ok());
  CHECK(help.flags.answer().find("PACELINE_TOY_<NAME>") != std::string::npos);
  CHECK(help.flags.answer().find("PACELINE_TOY_LOG_LEVEL") != std::string::npos);
  CHECK(help.flags.answer().find("Exit codes: 0.") != std::string::npos);
  Toy version;
  REQUIRE(version.Parse({"--version"}).ok());
  CHECK(version.flags.answer() == "paceline-toy 0.1.0");
}

}  // namespace
}  // namespace paceline
