#include "common/net/http_answer.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/match.h"

namespace paceline {
namespace {

int Code(const std::string& request) {
  const auto answer = AnswerTo(request, "/metrics");
  return answer.has_value() ? answer->code : 0;
}

TEST_CASE("the page is answered to GET, with or without a query, and HEAD gets its head alone") {
  CHECK(Code("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n") == 200);
  CHECK(Code("GET /metrics?x=1 HTTP/1.0\r\n\r\n") == 200);
  CHECK(Code("GET /metrics HTTP/1.1\n\n") == 200);
  CHECK(AnswerTo("GET /metrics HTTP/1.1\r\n\r\n", "/metrics")->has_body);
  CHECK(Code("HEAD /metrics HTTP/1.1\r\n\r\n") == 200);
  CHECK_FALSE(AnswerTo("HEAD /metrics HTTP/1.1\r\n\r\n", "/metrics")->has_body);
}

TEST_CASE("anything else is refused by its own code") {
  CHECK(Code("GET / HTTP/1.1\r\n\r\n") == 404);
  CHECK(Code("GET /metrics/ HTTP/1.1\r\n\r\n") == 404);
  CHECK(Code("GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n") == 404);
  CHECK(Code("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc") == 405);
  CHECK(Code("get /metrics HTTP/1.1\r\n\r\n") == 405);
  CHECK(Code("GET /metrics HTTP/2.0\r\n\r\n") == 505);
  CHECK(Code("GET /metrics\r\n\r\n") == 400);
  CHECK(Code("GET  /metrics HTTP/1.1\r\n\r\n") == 400);
  CHECK(Code("GET http://a/metrics HTTP/1.1\r\n\r\n") == 400);
  CHECK(Code("\x16\x03\x01 TLS\n\n") == 400);
  CHECK(Code("\r\n\r\n") == 400);
}

TEST_CASE("a request is waited for until it is complete or too long") {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t cut = 0; cut < request.size(); ++cut) CHECK(Code(request.substr(0, cut)) == 0);
  const std::string head = "GET /metrics HTTP/1.1\r\nX: ";
  CHECK(Code(head + std::string(kHttpHeadMax - head.size() - 1, 'x')) == 0);
  CHECK(Code(head + std::string(kHttpHeadMax - head.size(), 'x')) == 431);
}

TEST_CASE("a response has the page and its length, or nothing") {
  CHECK(HttpResponse({200, true}, "text/plain", "ab\n") ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
        "Connection: close\r\n\r\nab\n");
  CHECK(absl::EndsWith(HttpResponse({200, false}, "text/plain", "ab\n"),
                       "Content-Length: 3\r\nConnection: close\r\n\r\n"));
  CHECK(HttpResponse({405, false}, "text/plain", "ab\n") ==
        "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n");
}

}  // namespace
}  // namespace paceline
