#include "bench/dataplane/raw_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "absl/time/clock.h"
#include "bench/dataplane/add.h"

namespace paceline::bench {
namespace {

constexpr size_t kSendMax = size_t{512} << 10;
constexpr size_t kReceiveMax = size_t{256} << 10;

// Before every message; an answer has the request's.
struct Head {
  Operation operation = Operation::kPush;
  uint32_t slot = 0;
  uint64_t begin = 0;  // Byte of the store.
  uint64_t bytes = 0;
};

bool SendsPayload(Operation operation) { return operation != Operation::kPull; }
bool WantsPayload(Operation operation) { return operation != Operation::kPush; }

int Check(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::exit(1);
}

void SetOption(int socket, int level, int option, int value) {
  Check(::setsockopt(socket, level, option, &value, sizeof(value)), "setsockopt");
}

// One end: what is to be sent, in order, and how many bytes are worth waking up for.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {
    SetOption(socket_, IPPROTO_TCP, TCP_NODELAY, 1);
    Check(::fcntl(socket_, F_SETFL, O_NONBLOCK), "fcntl");
  }
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Queue(const Head& head, const char* payload) {
    heads_.push_back(head);  // A deque's elements stay where they are.
    parts_.push_back({reinterpret_cast<const char*>(&heads_.back()), sizeof(Head), true});
    if (payload != nullptr) parts_.push_back({payload, head.bytes, false});
  }

  // Sends what fits, then waits until there is something to receive, `wanted` bytes if it can.
  // Sends on while it waits.
  void AwaitInput(size_t wanted) {
    SetLowWater(wanted < kReceiveMax ? 1 : kReceiveMax);
    for (;;) {
      const bool is_full = !SendSome();
      pollfd poll = {socket_, static_cast<int16_t>(POLLIN | (is_full ? POLLOUT : 0)), 0};
      if (::poll(&poll, 1, -1) < 0 && errno != EINTR) Check(-1, "poll");
      if ((poll.revents & (POLLIN | POLLHUP | POLLERR)) != 0) return;
    }
  }

  // 0: nothing now. -1: the other end is gone. Sends on, too: nobody waits for the end of the
  // input.
  ssize_t Receive(char* to, size_t bytes_max) {
    SendSome();
    const ssize_t received = ::recv(socket_, to, bytes_max, 0);
    if (received > 0) return received;
    return received < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  }

 private:
  struct Part {
    const char* bytes;
    size_t count;
    bool is_head;
  };

  void SetLowWater(size_t wanted) {
    if (wanted == low_water_) return;
    low_water_ = wanted;
    SetOption(socket_, SOL_SOCKET, SO_RCVLOWAT, static_cast<int>(wanted));
  }

  // Whether all is sent.
  bool SendSome() {
    while (!parts_.empty()) {
      Part& part = parts_.front();
      const int more = parts_.size() > 1 ? MSG_MORE : 0;
      const ssize_t sent = ::send(socket_, part.bytes, std::min(part.count, kSendMax),
                                  MSG_NOSIGNAL | MSG_DONTWAIT | more);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return false;
      Check(static_cast<int>(std::min<ssize_t>(sent, 1)), "send");
      part.bytes += sent;
      part.count -= static_cast<size_t>(sent);
      if (part.count > 0) continue;
      if (part.is_head) heads_.pop_front();
      parts_.pop_front();
    }
    return true;
  }

  const int socket_;
  size_t low_water_ = 1;
  std::deque<Head> heads_;
  std::deque<Part> parts_;
};

// Receives heads and payloads in turn.
class Reader {
 public:
  explicit Reader(Connection* connection) : connection_(connection) {}

  // False: the other end is gone.
  bool ReadHead(Head* head) {
    size_t got = 0;
    while (got < sizeof(Head)) {
      const ssize_t received =
          connection_->Receive(reinterpret_cast<char*>(head) + got, sizeof(Head) - got);
      if (received < 0) return false;
      if (received == 0) connection_->AwaitInput(sizeof(Head) - got);
      got += static_cast<size_t>(received);
    }
    return true;
  }

  bool ReadInto(char* to, size_t bytes) {
    for (size_t got = 0; got < bytes;) {
      const ssize_t received = connection_->Receive(to + got, std::min(bytes - got, kReceiveMax));
      if (received < 0) return false;
      if (received == 0) connection_->AwaitInput(bytes - got);
      got += static_cast<size_t>(received);
    }
    return true;
  }

  // Floats may come in two parts: the rest of one waits at the buffer's front.
  bool AddTo(float* store, size_t bytes) {
    size_t kept = 0;
    for (size_t left = bytes; left > 0;) {
      const ssize_t received =
          connection_->Receive(bounce_.data() + kept, std::min(left, kReceiveMax));
      if (received < 0) return false;
      if (received == 0) connection_->AwaitInput(left);
      left -= static_cast<size_t>(received);
      kept += static_cast<size_t>(received);
      const size_t floats = kept / sizeof(float);
      Add(reinterpret_cast<const float*>(bounce_.data()), floats, store);
      store += floats;
      std::memmove(bounce_.data(), bounce_.data() + floats * sizeof(float),
                   kept - floats * sizeof(float));
      kept -= floats * sizeof(float);
    }
    return true;
  }

 private:
  Connection* const connection_;
  std::vector<char> bounce_ = std::vector<char>(kReceiveMax + sizeof(float));
};

class RawPlane final : public Plane {
 public:
  explicit RawPlane(int socket) : connection_(socket), reader_(&connection_) {
    for (size_t i = 0; i < gradient_.size(); ++i) gradient_[i] = 0.001f;
  }

  Work Run(const Load& load) override {
    Work work;
    const absl::Time begin = absl::Now();
    std::vector<absl::Time> sent(static_cast<size_t>(load.window));
    int on_the_way = 0;
    for (; on_the_way < load.window; ++on_the_way) {
      Send(load, static_cast<uint32_t>(on_the_way), &sent);
    }
    while (on_the_way > 0) {
      Head head;
      char* const to = reinterpret_cast<char*>(parameters_.data());
      const bool ok = reader_.ReadHead(&head) && (!WantsPayload(head.operation) ||
                                                  reader_.ReadInto(to + head.begin, head.bytes));
      Check(ok ? 0 : -1, "the raw server is gone");
      ++work.messages;
      const absl::Time now = absl::Now();
      if (load.wants_latencies) {
        work.latencies_us.push_back(absl::ToDoubleMicroseconds(now - sent[head.slot]));
      }
      if (now - begin < load.at_least) {
        Send(load, head.slot, &sent);
      } else {
        --on_the_way;
      }
    }
    work.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    work.bytes = static_cast<double>(work.messages * load.message_bytes) *
                 (load.operation == Operation::kExchange ? 2 : 1);
    return work;
  }

 private:
  void Send(const Load& load, uint32_t slot, std::vector<absl::Time>* sent) {
    const size_t place = next_++ % PlacesOf(load.message_bytes);
    const Head head = {load.operation, slot, place * load.message_bytes, load.message_bytes};
    (*sent)[slot] = absl::Now();
    const char* const from = reinterpret_cast<const char*>(gradient_.data()) + head.begin;
    connection_.Queue(head, SendsPayload(load.operation) ? from : nullptr);
  }

  Connection connection_;
  Reader reader_;
  size_t next_ = 0;
  std::vector<float> gradient_ = std::vector<float>(kStoreBytes / sizeof(float));
  std::vector<float> parameters_ = std::vector<float>(kStoreBytes / sizeof(float));
};

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

void ServeRaw(void (*announce)(uint16_t port)) {
  const int listener = Check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  Check(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), "bind");
  Check(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  Check(::listen(listener, 1), "listen");
  announce(ntohs(address.sin_port));
  Connection connection(Check(::accept(listener, nullptr, nullptr), "accept"));
  ::close(listener);
  Reader reader(&connection);
  std::vector<float> store(kStoreBytes / sizeof(float));
  Head head;
  while (reader.ReadHead(&head)) {
    float* const place = store.data() + head.begin / sizeof(float);
    if (SendsPayload(head.operation) && !reader.AddTo(place, head.bytes)) return;
    const char* const answer = reinterpret_cast<const char*>(place);
    connection.Queue(head, WantsPayload(head.operation) ? answer : nullptr);
  }
}

std::unique_ptr<Plane> ConnectRaw(uint16_t port) {
  const int socket = Check(::socket(AF_INET, SOCK_STREAM, 0), "socket");
  const sockaddr_in address = Loopback(port);
  Check(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "connect");
  return std::make_unique<RawPlane>(socket);
}

}  // namespace paceline::bench
