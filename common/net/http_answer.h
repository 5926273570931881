// What an HTTP server of a single page answers to the bytes that it has received.
//
// Errors   Whatever a client sends has an answer: 400 it is not HTTP, 404 another page, 405 another
//          method than GET and HEAD, 431 too long, 505 another version than 1.x.
// Threads  Pure.
// Source   RFC 9112 (HTTP/1.1), sections 2 and 3.
#ifndef PACELINE_COMMON_NET_HTTP_ANSWER_H_
#define PACELINE_COMMON_NET_HTTP_ANSWER_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace paceline {

// Bytes of a request that are read before it is too long.
constexpr size_t kHttpHeadMax = 8192;

struct HttpAnswer {
  int code = 0;
  // 200: the page goes with it.
  bool has_body = false;
};

// Nothing: the request's head is not complete yet. `path` is the page's: "/metrics".
absl::optional<HttpAnswer> AnswerTo(absl::string_view received, absl::string_view path);

// The response, after which the connection closes; `body` is the page of 200.
std::string HttpResponse(const HttpAnswer& answer, absl::string_view content_type,
                         absl::string_view body);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_HTTP_ANSWER_H_
