#include "cli/spec_file.h"

#include <filesystem>

#include "common/base/file.h"
#include "common/base/status_macros.h"
#include "common/job/job_spec.h"

namespace paceline::cli {
namespace {

constexpr size_t kSpecBytesMax = 1 << 20;

}  // namespace

absl::StatusOr<v1::JobSpec> LoadSpec(const std::string& path,
                                     const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path, kSpecBytesMax));
  ASSIGN_OR_RETURN(v1::JobSpec spec, ParseJobSpec(yaml, path, overrides));
  MakePathsAbsolute(&spec, std::filesystem::absolute(path).parent_path().string());
  return spec;
}

}  // namespace paceline::cli
