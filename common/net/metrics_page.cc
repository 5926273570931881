#include "common/net/metrics_page.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace paceline {

absl::StatusOr<Endpoint> ParseMetricsAddress(absl::string_view text) {
  const bool is_port = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  const std::string address = absl::StrCat(is_port ? "127.0.0.1:" : "", text);
  const absl::StatusOr<Endpoint> endpoint = ParseListenEndpoint(address);
  if (endpoint.ok()) return endpoint;
  return absl::InvalidArgumentError(
      absl::StrCat("--metrics: ", endpoint.status().message(), "; wanted host:port or a port"));
}

absl::StatusOr<std::unique_ptr<HttpPage>> CreateMetricsPage(const Endpoint& listen) {
  return HttpPage::Create({listen, "--metrics", "/metrics", "text/plain; version=0.0.4"});
}

}  // namespace paceline
