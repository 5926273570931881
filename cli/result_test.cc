#include "cli/result.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "cli/render.h"

namespace paceline::cli {
namespace {

v1::JobStatus Job(v1::JobState state) {
  v1::JobStatus job;
  job.set_job("j-1");
  job.set_state(state);
  return job;
}

// What PrintResult writes, and its exit code.
std::string Printed(const v1::JobStatus& job, bool json, const std::string& directory,
                    ExitCode* code) {
  char* text = nullptr;
  size_t bytes = 0;
  std::FILE* file = ::open_memstream(&text, &bytes);
  *code = PrintResult(file, job, json, directory);
  std::fclose(file);
  const std::string printed(text, bytes);
  std::free(text);
  return printed;
}

TEST_CASE("the exit code says how the job ended") {
  CHECK(ExitCodeOf(v1::FINISHED) == 0);
  CHECK(ExitCodeOf(v1::FAILED) == 1);
  CHECK(ExitCodeOf(v1::CANCELLED) == 4);
  CHECK(ExitCodeOf(v1::RUNNING) == 70);
}

TEST_CASE("a result is printed for people, or as summary.json has it") {
  ExitCode code = kInternal;

  CHECK(Printed(Job(v1::FINISHED), false, "runs/a", &code) ==
        ResultText(Job(v1::FINISHED), "runs/a"));
  CHECK(code == kOk);

  CHECK(Printed(Job(v1::FAILED), true, "", &code) == SummaryJson(Job(v1::FAILED)) + "\n");
  CHECK(code == kJobFailed);
}

}  // namespace
}  // namespace paceline::cli
