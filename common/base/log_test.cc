#include "common/base/log.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace paceline {
namespace {

// A log file in a folder of its own, and the lines in it.
class LogFile {
 public:
  LogFile() {
    std::string folder = std::filesystem::temp_directory_path() / "paceline-log-XXXXXX";
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    folder_ = folder;
  }
  ~LogFile() { std::filesystem::remove_all(folder_); }

  LogOptions Options(LogFormat format) const {
    LogOptions options;
    options.program = "paceline-test";
    options.format = format;
    options.file = folder_ / "log";
    options.now = [] { return absl::FromUnixMillis(1700000000123); };
    return options;
  }

  std::vector<std::string> Lines() const {
    std::ifstream file(folder_ / "log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  std::filesystem::path folder_;
};

TEST_CASE("a text line has the time, the level, the program, the message and the fields") {
  LogFile file;
  auto logger = Logger::Create(file.Options(LogFormat::kText));
  REQUIRE(logger.ok());

  (*logger)->Log(
      LogLevel::kWarning, "lease expired",
      {{"worker", "w2"}, {"after_s", 2.5}, {"count", 3}, {"why", "no sync"}, {"ok", false}});

  CHECK(file.Lines() == std::vector<std::string>{
                            "2023-11-14T22:13:20.123Z WARN  paceline-test: lease expired worker=w2 "
                            "after_s=2.5 count=3 why=\"no sync\" ok=false"});
}

TEST_CASE("a JSON line parses, and keeps numbers numbers") {
  LogFile file;
  auto logger = Logger::Create(file.Options(LogFormat::kJson));
  REQUIRE(logger.ok());

  (*logger)->Log(LogLevel::kInfo, "serving",
                 {{"port", uint16_t{50051}},
                  {"largest", ~uint64_t{0}},
                  {"least", int64_t{-5}},
                  {"ok", true},
                  {"share", 0.5},
                  {"id", std::string("s1")}});

  REQUIRE(file.Lines().size() == 1);
  const nlohmann::json line = nlohmann::json::parse(file.Lines()[0]);
  CHECK(line == nlohmann::json::parse(R"({"ts": "2023-11-14T22:13:20.123Z", "level": "info",
      "program": "paceline-test", "message": "serving", "fields": {"port": 50051,
      "largest": 18446744073709551615, "least": -5, "ok": true, "share": 0.5, "id": "s1"}})"));
}

TEST_CASE("whatever a message holds, a line is one line and JSON stays valid") {
  const std::string nasty("a\nb\"c\\d\x1b[31m\xff\0{} %v é", 22);
  for (LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    LogFile file;
    auto logger = Logger::Create(file.Options(format));
    REQUIRE(logger.ok());

    (*logger)->Log(LogLevel::kError, nasty, {{"key", nasty}, {"nan", std::nan("")}, {"none", ""}});

    REQUIRE(file.Lines().size() == 1);
    CHECK(file.Lines()[0].find('\x1b') == std::string::npos);
    if (format == LogFormat::kText) continue;
    const nlohmann::json line = nlohmann::json::parse(file.Lines()[0]);
    CHECK(line["fields"]["nan"].is_null());
    CHECK(line["message"].get<std::string>().substr(0, 8) == "a\nb\"c\\d\x1b");
  }
}

TEST_CASE("lines below the level are dropped") {
  LogFile file;
  LogOptions options = file.Options(LogFormat::kText);
  options.level = LogLevel::kWarning;
  auto logger = Logger::Create(options);
  REQUIRE(logger.ok());

  (*logger)->Log(LogLevel::kDebug, "one");
  (*logger)->Log(LogLevel::kInfo, "two");
  (*logger)->Log(LogLevel::kError, "three");

  CHECK(file.Lines().size() == 1);
}

TEST_CASE("lines of many threads are whole, and an existing file is appended to") {
  LogFile file;
  {
    auto logger = Logger::Create(file.Options(LogFormat::kJson));
    REQUIRE(logger.ok());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&logger] {
        for (int k = 0; k < 100; ++k) (*logger)->Log(LogLevel::kInfo, "line", {{"k", k}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  auto again = Logger::Create(file.Options(LogFormat::kJson));
  REQUIRE(again.ok());
  (*again)->Log(LogLevel::kInfo, "after");

  CHECK(file.Lines().size() == 401);
  for (const std::string& line : file.Lines()) CHECK(nlohmann::json::accept(line));
}

TEST_CASE("a file that cannot be opened is an error that names it") {
  LogFile file;
  LogOptions options = file.Options(LogFormat::kText);
  options.file = file.folder_ / "absent" / "log";

  const absl::Status status = Logger::Create(options).status();

  CHECK(absl::IsNotFound(status));
  CHECK(std::string(status.message()).find(options.file) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(file.folder_ / "absent"));
}

TEST_CASE("levels and formats are read by name, others refused") {
  CHECK(*ParseLogLevel("debug") == LogLevel::kDebug);
  CHECK(*ParseLogLevel("warning") == LogLevel::kWarning);
  CHECK(*ParseLogFormat("json") == LogFormat::kJson);
  CHECK(absl::IsInvalidArgument(ParseLogLevel("loud").status()));
  CHECK(absl::IsInvalidArgument(ParseLogFormat("xml").status()));
}

}  // namespace
}  // namespace paceline
