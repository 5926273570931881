// Serves one page of text over HTTP, made anew for each request.
//
// Units    At most 16 connections at once: for one more, the oldest ends. Each ends within 10 s,
//          however slowly its peer reads or writes.
// Errors   Create: as Listen. A peer that sends nonsense gets its answer (http_answer.h).
// Threads  Safe. One thread of its own, on which the page is made.
#ifndef PACELINE_COMMON_NET_HTTP_PAGE_H_
#define PACELINE_COMMON_NET_HTTP_PAGE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/net/endpoint.h"

namespace paceline {

struct HttpPageOptions {
  Endpoint listen;           // Port 0: any free one.
  std::string flag;          // What `listen` was given by, as messages name it: "--metrics".
  std::string path;          // "/metrics".
  std::string content_type;  // Of the page.
};

class HttpPage {
 public:
  // Listens; peers wait until Serve.
  static absl::StatusOr<std::unique_ptr<HttpPage>> Create(HttpPageOptions options);

  // Stop.
  ~HttpPage();
  HttpPage(const HttpPage&) = delete;
  HttpPage& operator=(const HttpPage&) = delete;

  // "http://127.0.0.1:9464/metrics", the port as bound.
  std::string url() const;

  // Once. `page` is called for each request, until Stop.
  void Serve(std::function<std::string()> page);

  // When it returns, `page` is not called any more. Does nothing the second time.
  void Stop();

 private:
  class Impl;

  explicit HttpPage(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_HTTP_PAGE_H_
