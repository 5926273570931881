// What a test asks of an HTTP server on this machine.
//
// Errors   A server that cannot be reached fails the running test case.
#ifndef PACELINE_COMMON_TESTING_HTTP_CLIENT_H_
#define PACELINE_COMMON_TESTING_HTTP_CLIENT_H_

#include <string>

#include "common/base/descriptor.h"

namespace paceline {

// A connection to 127.0.0.1 at the port of "http://127.0.0.1:9464/metrics".
Descriptor ConnectTo(const std::string& url);

// Everything until the other side closes.
std::string ReadAll(const Descriptor& socket);

// The body of the answer to GET, whose code must be 200.
std::string HttpGet(const std::string& url);

}  // namespace paceline

#endif  // PACELINE_COMMON_TESTING_HTTP_CLIENT_H_
