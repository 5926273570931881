#include "common/job/job_spec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/sha256.h"
#include "common/base/status_macros.h"
#include "common/job/yaml_origins.h"
#include "common/job/yaml_reader.h"
#include "common/job/yaml_writer.h"

namespace paceline {
namespace {

void MakeAbsolute(absl::string_view base_dir, std::string* path) {
  if (path->empty() || path->front() == '/') return;
  *path = (std::filesystem::path(std::string(base_dir)) / *path).lexically_normal().string();
}

void MakeFilesAbsolute(absl::string_view base_dir, v1::DataFiles* files) {
  MakeAbsolute(base_dir, files->mutable_images());
  MakeAbsolute(base_dir, files->mutable_labels());
  MakeAbsolute(base_dir, files->mutable_path());
}

}  // namespace

absl::StatusOr<v1::JobSpec> ParseJobSpec(absl::string_view yaml, absl::string_view file_name,
                                         const std::vector<std::string>& set_overrides) {
  ASSIGN_OR_RETURN(v1::JobSpec spec, ReadJobSpec(yaml, file_name, set_overrides));
  RETURN_IF_ERROR(ResolveJobSpec(&spec));
  return spec;
}

absl::StatusOr<v1::JobSpec> ReadJobSpec(absl::string_view yaml, absl::string_view file_name,
                                        const std::vector<std::string>& set_overrides) {
  v1::JobSpec spec;
  YamlOrigins origins(file_name);
  RETURN_IF_ERROR(ReadYaml(yaml, file_name, &spec, &origins));
  for (const std::string& assignment : set_overrides) {
    RETURN_IF_ERROR(SetFromYaml(assignment, &spec, &origins));
  }
  v1::JobSpec resolved = spec;
  const absl::Status status = ResolveJobSpec(&resolved);
  if (status.ok()) return spec;
  return absl::Status(status.code(),
                      absl::StrCat(origins.FindFor(status.message()), ": ", status.message()));
}

void MakePathsAbsolute(v1::JobSpec* spec, absl::string_view base_dir) {
  if (spec->has_checkpoint()) MakeAbsolute(base_dir, spec->mutable_checkpoint()->mutable_path());
  if (!spec->has_data()) return;
  v1::DataSpec* source = spec->mutable_data();
  if (source->has_train()) MakeFilesAbsolute(base_dir, source->mutable_train());
  if (source->has_eval()) MakeFilesAbsolute(base_dir, source->mutable_eval());
}

std::string SpecToYaml(const v1::JobSpec& spec) { return WriteYaml(spec); }

std::string SpecSha256(const v1::JobSpec& resolved) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    resolved.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

}  // namespace paceline
