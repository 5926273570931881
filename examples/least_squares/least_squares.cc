// Fits y = 3 x + 1 with parameters that live on a Paceline fleet: a program that brings its own
// gradients. Start as many copies as you like, each with its own id.
//
//   paceline submit examples/least_squares/job.yaml     # prints the job's name
//   bazel-bin/examples/least_squares/least_squares 127.0.0.1:50051 least-squares-1 solver-0
#include <cstdio>
#include <vector>

#include "client/parameter_client.h"
#include "common/base/random.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: least_squares COORDINATOR JOB ID\n");
    return 2;
  }
  auto client = paceline::ParameterClient::Join({argv[1], argv[2], argv[3]});
  if (!client.ok()) {
    std::fprintf(stderr, "error: %s\n", std::string(client.status().message()).c_str());
    return 1;
  }
  auto parameters = (*client)->Pull();
  const paceline::RandomStream samples(1, argv[3]);
  for (uint64_t step = 0; step < 500 && parameters.ok(); ++step) {
    const float x = 4 * samples.Uniform(step) - 2;
    const float error = (*parameters)[0] * x + (*parameters)[1] - (3 * x + 1);
    parameters = (*client)->Exchange(std::vector<float>{2 * error * x, 2 * error});
  }
  if (!parameters.ok()) {
    std::fprintf(stderr, "error: %s\n", std::string(parameters.status().message()).c_str());
    return 1;
  }
  std::printf("slope %.4f, intercept %.4f after version %llu\n", (*parameters)[0], (*parameters)[1],
              static_cast<unsigned long long>((*client)->version()));
  return 0;
}
