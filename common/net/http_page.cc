#include "common/net/http_page.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/descriptor.h"
#include "common/base/status_macros.h"
#include "common/net/http_answer.h"
#include "common/net/listener.h"

namespace paceline {
namespace {

constexpr size_t kConnectionsMax = 16;
constexpr absl::Duration kPatience = absl::Seconds(10);
// After a failed accept, as when there are no file descriptors left.
constexpr absl::Duration kPause = absl::Milliseconds(100);

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

class HttpPage::Impl {
 public:
  Impl(HttpPageOptions options, Descriptor listener, Descriptor wake)
      : options_(std::move(options)), listener_(std::move(listener)), wake_(std::move(wake)) {
    options_.listen.port = PortOf(listener_);
  }

  ~Impl() { Stop(); }

  std::string url() const {
    return absl::StrCat("http://", options_.listen.ToString(), options_.path);
  }

  void Serve(std::function<std::string()> page);
  void Stop() ABSL_LOCKS_EXCLUDED(stop_mutex_);

 private:
  // From accept to close: read the request, write the answer, wait until the peer has closed, so
  // that it has read all of it.
  struct Connection {
    Descriptor socket;
    absl::Time end;
    std::string received;
    std::string response;  // Empty while the request is read.
    size_t sent = 0;

    short wants() const { return !response.empty() && sent < response.size() ? POLLOUT : POLLIN; }
  };

  void Run();
  // Milliseconds until the first connection's time is over.
  int Timeout() const;
  void Accept();
  // Each: whether the connection goes on.
  bool Advance(Connection* connection);
  bool Read(Connection* connection);
  bool Write(Connection* connection);

  HttpPageOptions options_;
  const Descriptor listener_;
  const Descriptor wake_;  // Readable: stop.

  // Of the thread.
  std::function<std::string()> page_;
  std::list<Connection> connections_;  // The oldest first.
  absl::Time accept_again_ = absl::InfinitePast();

  absl::Mutex stop_mutex_;  // Held while stopping, so that a second Stop returns when it is done.
  std::thread thread_ ABSL_GUARDED_BY(stop_mutex_);
};

void HttpPage::Impl::Serve(std::function<std::string()> page) {
  absl::MutexLock lock(&stop_mutex_);
  PACELINE_CHECK(!thread_.joinable());
  page_ = std::move(page);
  thread_ = std::thread([this] { Run(); });
}

void HttpPage::Impl::Stop() {
  absl::MutexLock lock(&stop_mutex_);
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  PACELINE_CHECK(::write(wake_.number(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
}

int HttpPage::Impl::Timeout() const {
  absl::Time next = absl::InfiniteFuture();
  const absl::Time now = SteadyNow();
  if (accept_again_ > now) next = accept_again_;
  if (!connections_.empty()) next = std::min(next, connections_.front().end);
  if (next == absl::InfiniteFuture()) return -1;
  // One more, so that the time is over when the poll is.
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(absl::ZeroDuration(), next - now)) +
                          1);
}

void HttpPage::Impl::Run() {
  for (;;) {
    const bool accepts = SteadyNow() >= accept_again_;
    std::vector<pollfd> files = {{wake_.number(), POLLIN, 0},
                                 {accepts ? listener_.number() : -1, POLLIN, 0}};
    for (const Connection& connection : connections_) {
      files.push_back({connection.socket.number(), connection.wants(), 0});
    }
    if (::poll(files.data(), files.size(), Timeout()) < 0) {
      for (pollfd& file : files) file.revents = 0;  // Interrupted: nothing is known.
    }
    if (files[0].revents != 0) break;
    size_t i = 2;
    for (auto it = connections_.begin(); it != connections_.end(); ++i) {
      const bool goes_on = files[i].revents == 0 || Advance(&*it);
      it = goes_on && SteadyNow() < it->end ? std::next(it) : connections_.erase(it);
    }
    if (files[1].revents != 0) Accept();
  }
  connections_.clear();
}

void HttpPage::Impl::Accept() {
  Descriptor socket(::accept4(listener_.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.number() < 0) {
    if (!WouldBlock()) accept_again_ = SteadyNow() + kPause;
    return;
  }
  if (connections_.size() == kConnectionsMax) connections_.pop_front();
  connections_.push_back({std::move(socket), SteadyNow() + kPatience, "", "", 0});
}

bool HttpPage::Impl::Advance(Connection* connection) {
  return connection->wants() == POLLOUT ? Write(connection) : Read(connection);
}

bool HttpPage::Impl::Read(Connection* connection) {
  char bytes[4096];
  const ssize_t count = ::recv(connection->socket.number(), bytes, sizeof(bytes), 0);
  if (count < 0) return WouldBlock();
  if (count == 0) return false;
  if (!connection->response.empty()) return true;  // It may send more; nobody reads it.
  connection->received.append(bytes, static_cast<size_t>(count));
  const auto answer = AnswerTo(connection->received, options_.path);
  if (!answer.has_value()) return true;
  connection->response =
      HttpResponse(*answer, options_.content_type, answer->code == 200 ? page_() : std::string());
  return Write(connection);
}

bool HttpPage::Impl::Write(Connection* connection) {
  const std::string& response = connection->response;
  const ssize_t count = ::send(connection->socket.number(), response.data() + connection->sent,
                               response.size() - connection->sent, MSG_NOSIGNAL);
  if (count < 0) return WouldBlock();
  connection->sent += static_cast<size_t>(count);
  if (connection->sent < response.size()) return true;
  return ::shutdown(connection->socket.number(), SHUT_WR) == 0;
}

absl::StatusOr<std::unique_ptr<HttpPage>> HttpPage::Create(HttpPageOptions options) {
  ASSIGN_OR_RETURN(Descriptor listener, Listen(options.listen, options.flag));
  // accept must not wait for a peer that has gone since poll.
  Descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (::fcntl(listener.number(), F_SETFL, O_NONBLOCK) != 0 || wake.number() < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve at ", options.listen.ToString(), ": ", strerror(errno)));
  }
  return std::unique_ptr<HttpPage>(new HttpPage(
      std::make_unique<Impl>(std::move(options), std::move(listener), std::move(wake))));
}

HttpPage::HttpPage(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpPage::~HttpPage() = default;

std::string HttpPage::url() const { return impl_->url(); }

void HttpPage::Serve(std::function<std::string()> page) { impl_->Serve(std::move(page)); }

void HttpPage::Stop() { impl_->Stop(); }

}  // namespace paceline
