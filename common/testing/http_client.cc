#include "common/testing/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace paceline {

Descriptor ConnectTo(const std::string& url) {
  INFO(url);
  const size_t colon = url.rfind(':');
  const size_t slash = url.rfind('/');
  int port = 0;
  REQUIRE(absl::SimpleAtoi(url.substr(colon + 1, slash - colon - 1), &port));
  Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  REQUIRE(::connect(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return socket;
}

std::string ReadAll(const Descriptor& socket) {
  std::string all;
  char bytes[65536];
  ssize_t count = 0;
  while ((count = ::recv(socket.number(), bytes, sizeof(bytes), 0)) > 0) {
    all.append(bytes, static_cast<size_t>(count));
  }
  return all;
}

std::string HttpGet(const std::string& url) {
  const Descriptor socket = ConnectTo(url);
  REQUIRE(WriteAll(socket.number(), absl::StrCat("GET ", url.substr(url.rfind('/')),
                                                 " HTTP/1.1\r\nHost: localhost\r\n\r\n")));
  const std::string answer = ReadAll(socket);
  INFO(answer);
  REQUIRE(absl::StartsWith(answer, "HTTP/1.1 200 "));
  const size_t head = answer.find("\r\n\r\n");
  REQUIRE(head != std::string::npos);
  return answer.substr(head + 4);
}

}  // namespace paceline
