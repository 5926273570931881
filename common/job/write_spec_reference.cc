// Rewrites the reference half of docs/spec.md: write_spec_reference <job.proto> <spec.md>.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "common/job/spec_reference.h"

namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "wanted two arguments: job.proto and spec.md\n");
    return 2;
  }
  const auto page = paceline::WithSpecReference(ReadFile(argv[2]), ReadFile(argv[1]));
  if (!page.ok()) {
    std::fprintf(stderr, "%s\n", page.status().ToString().c_str());
    return 1;
  }
  std::ofstream file(argv[2], std::ios::binary | std::ios::trunc);
  file << *page << std::flush;
  return file.good() ? 0 : 1;
}
