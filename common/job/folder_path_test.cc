#include "common/job/folder_path.h"

#include <catch2/catch.hpp>

namespace paceline {
namespace {

TEST_CASE("the URL of an object store is no folder, and its error says what is") {
  CHECK(CheckFolderPath("checkpoint.path", "s3://bucket/runs").message() ==
        "checkpoint.path is 's3://bucket/runs': checkpoints are not written to s3; wanted a folder "
        "of a mounted file system whose fsync, rename and flock hold (docs/checkpoints.md, "
        "\"Object stores\")");
  for (const char* url : {"S3://b", "gs://b/c", "https://h/b", "s3a://b", "file:///c"}) {
    INFO(url);
    CHECK(absl::IsInvalidArgument(CheckFolderPath("path", url)));
  }
}

TEST_CASE("any path of a file system is a folder") {
  for (const char* path :
       {"", "/c", "c", "./s3", "a:b", "s3:/b", "/mnt/s3://b", "3s://b", "://b", "../runs/a b"}) {
    INFO(path);
    CHECK(CheckFolderPath("path", path).ok());
  }
}

}  // namespace
}  // namespace paceline
