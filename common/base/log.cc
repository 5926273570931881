#include "common/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace paceline {
namespace {

using Json = nlohmann::ordered_json;

struct LevelName {
  const char* word;    // In flags and JSON.
  const char* column;  // In text, all of one width.
};

LevelName NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return {"debug", "DEBUG"};
    case LogLevel::kInfo:
      return {"info", "INFO "};
    case LogLevel::kWarning:
      return {"warning", "WARN "};
    case LogLevel::kError:
      break;
  }
  return {"error", "ERROR"};
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string Std(absl::string_view text) { return std::string(text.data(), text.size()); }

struct ToJson {
  Json operator()(absl::string_view text) const { return Std(text); }
  template <typename T>
  Json operator()(T value) const {
    return value;
  }
};

// Whether a value reads unambiguously without quotes. UTF-8 beyond ASCII does.
bool IsPlain(absl::string_view text) {
  for (char c : text) {
    if (c == '"' || c == '=' || c == '\\' || c == ' ' || absl::ascii_iscntrl(c)) return false;
  }
  return !text.empty();
}

struct ToText {
  std::string operator()(absl::string_view text) const {
    return IsPlain(text) ? Std(text) : absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
  }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  template <typename T>
  std::string operator()(T value) const {
    return absl::StrCat(value);
  }
};

// Without line breaks and terminal escapes.
std::string OneLine(absl::string_view message) {
  for (char c : message) {
    if (absl::ascii_iscntrl(c)) return absl::Utf8SafeCEscape(message);
  }
  return Std(message);
}

std::string TextLine(const LogOptions& options, LogLevel level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  std::string line = absl::StrCat(Timestamp(options.now()), " ", NameOf(level).column, " ",
                                  options.program, ": ", OneLine(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key(), "=", std::visit(ToText(), field.value()));
  }
  return line;
}

std::string JsonLine(const LogOptions& options, LogLevel level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  Json values = Json::object();
  for (const LogField& field : fields) {
    values[Std(field.key())] = std::visit(ToJson(), field.value());
  }
  Json line;
  line["ts"] = Timestamp(options.now());
  line["level"] = NameOf(level).word;
  line["program"] = options.program;
  line["message"] = Std(message);
  line["fields"] = std::move(values);
  // Bytes that are not UTF-8 become U+FFFD.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view word) {
  for (LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (word == NameOf(level).word) return level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", word, "\"; wanted debug, info, warning or error"));
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view word) {
  if (word == "text") return LogFormat::kText;
  if (word == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(absl::StrCat("log format \"", word, "\"; wanted text or json"));
}

struct Logger::Sink {
  explicit Sink(spdlog::sink_ptr sink) : logger("paceline", std::move(sink)) {}
  spdlog::logger logger;
};

absl::StatusOr<std::unique_ptr<Logger>> Logger::Create(LogOptions options) {
  spdlog::sink_ptr spdlog_sink;
  if (options.file.empty()) {
    spdlog_sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    // spdlog reports a file that cannot be opened by throwing; this finds it out before.
    errno = 0;
    if (!std::ofstream(options.file, std::ios::app)) {
      return absl::ErrnoToStatus(errno == 0 ? EINVAL : errno,
                                 absl::StrCat("cannot open log file \"", options.file, "\""));
    }
    try {
      spdlog_sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    } catch (const spdlog::spdlog_ex& error) {
      return absl::UnavailableError(absl::StrCat("log file: ", error.what()));
    }
  }
  auto sink = std::make_unique<Sink>(std::move(spdlog_sink));
  sink->logger.set_pattern("%v");
  sink->logger.set_level(SpdlogLevel(options.level));
  sink->logger.flush_on(spdlog::level::trace);
  return std::unique_ptr<Logger>(new Logger(std::move(options), std::move(sink)));
}

Logger::Logger(LogOptions options, std::unique_ptr<Sink> sink)
    : options_(std::move(options)), sink_(std::move(sink)) {}

Logger::~Logger() = default;

void Logger::Log(LogLevel level, absl::string_view message,
                 std::initializer_list<LogField> fields) {
  if (level < options_.level) return;
  const std::string line = options_.format == LogFormat::kJson
                               ? JsonLine(options_, level, message, fields)
                               : TextLine(options_, level, message, fields);
  sink_->logger.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace paceline
