#include "common/net/http_answer.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace paceline {
namespace {

absl::string_view ReasonOf(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "HTTP Version Not Supported";
  }
}

int CodeOf(absl::string_view request_line, absl::string_view path) {
  const std::vector<absl::string_view> words = absl::StrSplit(request_line, ' ');
  if (words.size() != 3 || words[0].empty() || !absl::StartsWith(words[1], "/") ||
      !absl::StartsWith(words[2], "HTTP/")) {
    return 400;
  }
  if (!absl::StartsWith(words[2], "HTTP/1.")) return 505;
  if (words[0] != "GET" && words[0] != "HEAD") return 405;
  return words[1].substr(0, words[1].find('?')) == path ? 200 : 404;
}

}  // namespace

absl::optional<HttpAnswer> AnswerTo(absl::string_view received, absl::string_view path) {
  // A line may end without its carriage return (RFC 9112, section 2.2).
  const bool is_whole =
      absl::StrContains(received, "\r\n\r\n") || absl::StrContains(received, "\n\n");
  if (!is_whole && received.size() < kHttpHeadMax) return absl::nullopt;
  HttpAnswer answer;
  const absl::string_view line = absl::StripSuffix(received.substr(0, received.find('\n')), "\r");
  answer.code = is_whole ? CodeOf(line, path) : 431;
  answer.has_body = answer.code == 200 && absl::StartsWith(line, "GET ");
  return answer;
}

std::string HttpResponse(const HttpAnswer& answer, absl::string_view content_type,
                         absl::string_view body) {
  std::string response = absl::StrCat("HTTP/1.1 ", answer.code, " ", ReasonOf(answer.code), "\r\n");
  if (answer.code == 405) absl::StrAppend(&response, "Allow: GET, HEAD\r\n");
  if (answer.code == 200) {
    absl::StrAppend(&response, "Content-Type: ", content_type, "\r\nContent-Length: ", body.size(),
                    "\r\n");
  } else {
    absl::StrAppend(&response, "Content-Length: 0\r\n");
  }
  absl::StrAppend(&response, "Connection: close\r\n\r\n", answer.has_body ? body : "");
  return response;
}

}  // namespace paceline
