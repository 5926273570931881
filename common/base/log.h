// What a program says while it runs: one line an event, for people (text) or machines (JSON).
//
// Shapes   text: "2026-01-31T12:00:00.123Z INFO  paceline-server: message key=value key="a b"".
// JSON:
//          {"ts":"2026-01-31T12:00:00.123Z","level":"info","program":"paceline-server",
//          "message":"...","fields":{"key":value}}; numbers and booleans stay what they are.
//          Whatever a message or a value holds, a line is one line, and a JSON line is valid JSON.
// Units    Times are UTC, to the millisecond.
// Errors   Create: InvalidArgument, NotFound or PermissionDenied when the file cannot be opened. A
// line
//          that cannot be written is lost.
// Threads  Safe for any number of threads; lines are whole.
#ifndef PACELINE_COMMON_BASE_LOG_H_
#define PACELINE_COMMON_BASE_LOG_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paceline {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// "debug", "info", "warning", "error"; "text", "json". InvalidArgument: another word.
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view word);
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view word);

// A named value of a line. It refers to the text it is given: use it in the call only.
class LogField {
 public:
  LogField(absl::string_view key, absl::string_view text) : key_(key), value_(text) {}
  LogField(absl::string_view key, const std::string& text)
      : LogField(key, absl::string_view(text)) {}
  LogField(absl::string_view key, const char* text) : LogField(key, absl::string_view(text)) {}
  LogField(absl::string_view key, bool value) : key_(key), value_(value) {}
  LogField(absl::string_view key, double value) : key_(key), value_(value) {}
  template <typename T, std::enable_if_t<std::is_integral<T>::value, int> = 0>
  LogField(absl::string_view key, T value) : key_(key) {
    if (std::is_signed<T>::value) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }

  using Value = std::variant<absl::string_view, bool, double, int64_t, uint64_t>;
  absl::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  absl::string_view key_;
  Value value_;
};

struct LogOptions {
  std::string program;  // "paceline-server".
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;  // Lines below it are dropped.
  std::string file;                  // Appended to; empty: standard error.
  std::function<absl::Time()> now = absl::Now;
};

class Logger {
 public:
  static absl::StatusOr<std::unique_ptr<Logger>> Create(LogOptions options);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

 private:
  struct Sink;

  Logger(LogOptions options, std::unique_ptr<Sink> sink);

  const LogOptions options_;
  const std::unique_ptr<Sink> sink_;  // Safe by itself.
};

}  // namespace paceline

#endif  // PACELINE_COMMON_BASE_LOG_H_
