// Any bytes may come to a page's port: they have an answer or are waited for, and what has been
// answered once is answered the same when more comes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/check.h"
#include "common/net/http_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string received(reinterpret_cast<const char*>(bytes), size);
  const auto answer = paceline::AnswerTo(received, "/metrics");
  PACELINE_CHECK(answer.has_value() || size < paceline::kHttpHeadMax);
  if (!answer.has_value()) return 0;
  PACELINE_CHECK(!answer->has_body || answer->code == 200);
  if (answer->code == 431) return 0;
  const auto more = paceline::AnswerTo(received + "GET", "/metrics");
  PACELINE_CHECK(more.has_value() && more->code == answer->code);
  return 0;
}
