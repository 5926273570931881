// The page that a program shows Prometheus: its address, as people give it, and its form.
//
// Errors   Create: as HttpPage, about the flag --metrics.
// Source   https://prometheus.io/docs/instrumenting/exposition_formats/
#ifndef PACELINE_COMMON_NET_METRICS_PAGE_H_
#define PACELINE_COMMON_NET_METRICS_PAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/net/endpoint.h"
#include "common/net/http_page.h"

namespace paceline {

// What --help says of --metrics.
inline constexpr char kMetricsHelp[] =
    "host:port to serve Prometheus metrics at (/metrics); a port alone means 127.0.0.1, port 0 any "
    "free one (default: none)";

// "0.0.0.0:9464", or "9464" for this machine alone. InvalidArgument: neither.
absl::StatusOr<Endpoint> ParseMetricsAddress(absl::string_view text);

absl::StatusOr<std::unique_ptr<HttpPage>> CreateMetricsPage(const Endpoint& listen);

}  // namespace paceline

#endif  // PACELINE_COMMON_NET_METRICS_PAGE_H_
