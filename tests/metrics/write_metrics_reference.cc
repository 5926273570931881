// Rewrites the tables of docs/metrics.md: write_metrics_reference <metrics.md>.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/metrics/metrics_reference.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "wanted one argument: metrics.md\n");
    return 2;
  }
  std::ifstream in(argv[1], std::ios::binary);
  const auto page =
      paceline::WithMetricsReference(std::string(std::istreambuf_iterator<char>(in), {}));
  if (!page.ok()) {
    std::fprintf(stderr, "%s\n", page.status().ToString().c_str());
    return 1;
  }
  std::ofstream out(argv[1], std::ios::binary | std::ios::trunc);
  out << *page << std::flush;
  return out.good() ? 0 : 1;
}
