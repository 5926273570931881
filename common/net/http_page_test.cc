#include "common/net/http_page.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/descriptor.h"
#include "common/net/listener.h"
#include "common/testing/http_client.h"

namespace paceline {
namespace {

std::unique_ptr<HttpPage> MakePage() {
  auto page = HttpPage::Create({{"127.0.0.1", 0}, "--metrics", "/metrics", "text/plain"});
  REQUIRE(page.ok());
  return *std::move(page);
}

std::string Ask(const HttpPage& page, const std::string& request) {
  const Descriptor socket = ConnectTo(page.url());
  REQUIRE(WriteAll(socket.number(), request));
  return ReadAll(socket);
}

TEST_CASE("each request gets the page as it is then") {
  const auto page = MakePage();
  int made = 0;
  page->Serve([&made] { return absl::StrCat("page ", ++made, "\n"); });

  const std::string get = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string first = Ask(*page, get);
  CHECK(absl::StartsWith(first, "HTTP/1.1 200 OK\r\n"));
  CHECK(absl::StrContains(first, "Content-Type: text/plain\r\n"));
  CHECK(absl::EndsWith(first, "\r\n\r\npage 1\n"));
  CHECK(absl::EndsWith(Ask(*page, get), "\r\n\r\npage 2\n"));
  CHECK(absl::StartsWith(Ask(*page, "GET /other HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 "));
  CHECK(made == 2);
}

TEST_CASE("a page larger than any buffer arrives whole") {
  const auto page = MakePage();
  const std::string large(10'000'000, 'x');
  page->Serve([&large] { return large; });

  const std::string answer = Ask(*page, "GET /metrics HTTP/1.1\r\n\r\n");

  CHECK(answer.size() > large.size());
  CHECK(absl::EndsWith(answer, large));
}

TEST_CASE("peers that never finish their request keep nobody else from the page") {
  const auto page = MakePage();
  page->Serve([] { return std::string("page\n"); });
  std::vector<Descriptor> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(ConnectTo(page->url()));
    REQUIRE(WriteAll(slow.back().number(), "GET /metr"));
  }

  CHECK(absl::EndsWith(Ask(*page, "GET /metrics HTTP/1.1\r\n\r\n"), "page\n"));

  // The oldest had to go: its connection is at its end.
  CHECK(ReadAll(slow.front()).empty());
}

TEST_CASE("a request without an end is refused, and a peer that goes away hurts nobody") {
  const auto page = MakePage();
  page->Serve([] { return std::string("page\n"); });

  CHECK(absl::StartsWith(Ask(*page, std::string(20'000, 'x')), "HTTP/1.1 431 "));
  { const Descriptor gone = ConnectTo(page->url()); }
  {
    const Descriptor gone = ConnectTo(page->url());
    REQUIRE(WriteAll(gone.number(), "GET /metrics HTTP/1.1\r\n\r\n"));
  }
  CHECK(absl::EndsWith(Ask(*page, "GET /metrics HTTP/1.1\r\n\r\n"), "page\n"));
}

TEST_CASE("a port that is taken is an error that names the flag") {
  const auto other = Listen({"127.0.0.1", 0}, "--other");
  REQUIRE(other.ok());

  const absl::Status status =
      HttpPage::Create({{"127.0.0.1", PortOf(*other)}, "--metrics", "/metrics", "text/plain"})
          .status();

  CHECK(absl::IsAlreadyExists(status));
  CHECK(absl::StrContains(status.message(), "--metrics 127.0.0.1:0"));
}

TEST_CASE("after Stop the page is not made any more, with connections open or none") {
  const auto page = MakePage();
  std::atomic<int> made{0};
  page->Serve([&made] { return absl::StrCat(++made); });
  const Descriptor open = ConnectTo(page->url());
  REQUIRE(!Ask(*page, "GET /metrics HTTP/1.1\r\n\r\n").empty());

  page->Stop();
  page->Stop();

  CHECK(ReadAll(open).empty());
  CHECK(made == 1);
  MakePage()->Stop();  // Never served.
}

}  // namespace
}  // namespace paceline
