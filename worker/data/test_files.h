// Files for this room's tests: their bytes, and a folder to put them in.
#ifndef PACELINE_WORKER_DATA_TEST_FILES_H_
#define PACELINE_WORKER_DATA_TEST_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paceline {

// An IDX file of unsigned bytes with that header, whether or not `values` fits it.
std::string IdxBytes(const std::vector<uint32_t>& shape, absl::string_view values);

// One gzip member.
std::string Gzip(absl::string_view bytes);

// Writes TEST_TMPDIR/name and returns its path.
std::string WriteTestFile(const std::string& name, absl::string_view bytes);

// TEST_TMPDIR/name.
std::string TestPath(const std::string& name);

}  // namespace paceline

#endif  // PACELINE_WORKER_DATA_TEST_FILES_H_
