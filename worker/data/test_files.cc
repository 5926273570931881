#include "worker/data/test_files.h"

#include <zlib.h>

#include <cstdlib>
#include <fstream>

#include "common/base/check.h"

namespace paceline {

std::string IdxBytes(const std::vector<uint32_t>& shape, absl::string_view values) {
  std::string bytes = {0, 0, 8, static_cast<char>(shape.size())};
  for (const uint32_t size : shape) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(size >> shift));
  }
  bytes.append(values.data(), values.size());
  return bytes;
}

std::string Gzip(absl::string_view bytes) {
  z_stream stream = {};
  PACELINE_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(&out[0]);
  stream.avail_out = static_cast<uInt>(out.size());
  PACELINE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string TestPath(const std::string& name) {
  const char* const folder = std::getenv("TEST_TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/" + name;
}

std::string WriteTestFile(const std::string& name, absl::string_view bytes) {
  const std::string path = TestPath(name);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  PACELINE_CHECK(file.good());
  return path;
}

}  // namespace paceline
