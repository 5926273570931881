#include "tests/chaos/links.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <queue>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/descriptor.h"

namespace paceline::chaos {
namespace {

constexpr size_t kPacketMax = 65536;
// Large packets, for each costs this process a read and a write.
constexpr int kMtu = 60000;
constexpr int kQueuedPackets = 10000;

// Host number i has the address 10.77.0.(i + 1).
std::string AddressOf(size_t index) { return absl::StrCat("10.77.0.", index + 1); }

struct Device {
  std::optional<Descriptor> tun;
  std::optional<Descriptor> space;  // The network namespace.
};

std::string Failed(const char* what) { return absl::StrCat(what, ": ", std::strerror(errno)); }

ifreq Request(const char* device) {
  ifreq request = {};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  return request;
}

void SetAddress(const std::string& text, sockaddr* address) {
  sockaddr_in in = {};
  in.sin_family = AF_INET;
  ::inet_pton(AF_INET, text.c_str(), &in.sin_addr);
  std::memcpy(address, &in, sizeof in);
}

bool BringUp(int socket, const char* device) {
  ifreq request = Request(device);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return ::ioctl(socket, SIOCSIFFLAGS, &request) == 0;
}

// On a thread that ends after it: it moves to a namespace of its own. Empty, or what failed.
std::string MakeDevice(const std::string& address, Device* device) {
  if (::unshare(CLONE_NEWNET) != 0) return Failed("a network namespace");
  device->space.emplace(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  device->tun.emplace(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (device->tun->number() < 0) return Failed("/dev/net/tun");
  ifreq request = Request("link0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(device->tun->number(), TUNSETIFF, &request) != 0) return Failed("a tun device");
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request = Request("link0");
  request.ifr_mtu = kMtu;
  bool is_done = ::ioctl(socket.number(), SIOCSIFMTU, &request) == 0;
  request = Request("link0");
  request.ifr_qlen = kQueuedPackets;
  is_done &= ::ioctl(socket.number(), SIOCSIFTXQLEN, &request) == 0;
  request = Request("link0");
  SetAddress(address, &request.ifr_addr);
  is_done &= ::ioctl(socket.number(), SIOCSIFADDR, &request) == 0;
  SetAddress("255.255.255.0", &request.ifr_netmask);
  is_done &= ::ioctl(socket.number(), SIOCSIFNETMASK, &request) == 0;
  is_done &= BringUp(socket.number(), "link0") && BringUp(socket.number(), "lo");
  return is_done ? "" : Failed("the device's address");
}

}  // namespace

class Links::Impl {
 public:
  explicit Impl(const std::vector<std::string>& hosts) : hosts_(hosts), devices_(hosts.size()) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      is_ending_ = true;
    }
    if (carrier_.joinable()) carrier_.join();
  }

  // Empty, or what failed.
  std::string Start() {
    for (size_t i = 0; i < devices_.size(); ++i) {
      std::string failure;
      std::thread([this, i, &failure] { failure = MakeDevice(AddressOf(i), &devices_[i]); }).join();
      if (!failure.empty()) return failure;
    }
    carrier_ = std::thread([this] { Carry(); });
    return "";
  }

  const std::vector<std::string>& hosts() const { return hosts_; }

  size_t IndexOf(const std::string& name) const {
    const auto found = std::find(hosts_.begin(), hosts_.end(), name);
    INFO("host " << name);
    REQUIRE(found != hosts_.end());
    return static_cast<size_t>(found - hosts_.begin());
  }

  std::string SpaceOf(size_t index) const {
    return absl::StrCat("/proc/", ::getpid(), "/fd/", devices_[index].space->number());
  }

  void Set(size_t from, size_t to, absl::Duration delay) {
    absl::MutexLock lock(&mutex_);
    delays_[{from, to}] = delay;
  }

  void Heal() {
    absl::MutexLock lock(&mutex_);
    delays_.clear();
  }

 private:
  struct Packet {
    absl::Time due;
    uint64_t order = 0;
    size_t to = 0;
    std::vector<char> bytes;
    bool operator<(const Packet& other) const {
      return std::pair(due, order) > std::pair(other.due, other.order);
    }
  };

  // The carrier thread.
  void Carry() {
    std::vector<pollfd> waits(devices_.size());
    for (size_t i = 0; i < devices_.size(); ++i) waits[i] = {devices_[i].tun->number(), POLLIN, 0};
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        if (is_ending_) return;
      }
      const int wait_ms = late_.empty() ? 50 : 1;
      if (::poll(waits.data(), waits.size(), wait_ms) > 0) {
        for (size_t i = 0; i < waits.size(); ++i) {
          if ((waits[i].revents & POLLIN) != 0) Take(i);
        }
      }
      for (const absl::Time now = absl::Now(); !late_.empty() && late_.top().due <= now;) {
        Give(late_.top().to, late_.top().bytes.data(), late_.top().bytes.size());
        late_.pop();
      }
    }
  }

  // A number of the packets that wait at `from`.
  void Take(size_t from) {
    for (int i = 0; i < 64; ++i) {
      const ssize_t size = ::read(devices_[from].tun->number(), buffer_.data(), buffer_.size());
      if (size <= 0) return;
      // Bytes 16 to 19 of an IPv4 header are where it goes; the last one is the host's.
      const auto host = static_cast<unsigned char>(buffer_[19]);
      const bool is_ours = size >= 20 && (buffer_[0] & 0xf0) == 0x40 && host >= 1 &&
                           host <= devices_.size();
      if (is_ours) Forward(from, host - 1u, static_cast<size_t>(size));
    }
  }

  void Forward(size_t from, size_t to, size_t size) {
    absl::Duration delay;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = delays_.find({from, to});
      if (found != delays_.end()) delay = found->second;
    }
    if (delay == absl::InfiniteDuration()) return;
    if (delay == absl::ZeroDuration()) return Give(to, buffer_.data(), size);
    late_.push({absl::Now() + delay, order_++, to, {buffer_.data(), buffer_.data() + size}});
  }

  // A host that cannot take it has lost it, as on any network.
  void Give(size_t to, const char* bytes, size_t size) {
    if (::write(devices_[to].tun->number(), bytes, size) < 0) return;
  }

  const std::vector<std::string> hosts_;
  std::vector<Device> devices_;
  std::thread carrier_;

  // Of the carrier thread.
  std::array<char, kPacketMax> buffer_;
  std::priority_queue<Packet> late_;
  uint64_t order_ = 0;

  absl::Mutex mutex_;
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  // Infinite: cut.
  std::map<std::pair<size_t, size_t>, absl::Duration> delays_ ABSL_GUARDED_BY(mutex_);
};

Links::Links(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Links::~Links() = default;

std::unique_ptr<Links> Links::Make(const std::vector<std::string>& hosts) {
  REQUIRE(hosts.size() <= 200);
  auto impl = std::make_unique<Impl>(hosts);
  const std::string failure = impl->Start();
  if (failure.empty()) return std::unique_ptr<Links>(new Links(std::move(impl)));
  std::printf("SKIPPED: this process may not make its own network (%s)\n", failure.c_str());
  return nullptr;
}

Host Links::host(const std::string& name) const {
  const size_t index = impl_->IndexOf(name);
  return {AddressOf(index), {"/usr/bin/nsenter", "--net=" + impl_->SpaceOf(index)}};
}

void Links::CutOneWay(const std::string& from, const std::string& to) {
  Delay(from, to, absl::InfiniteDuration());
}

void Links::Cut(const std::string& one, const std::string& other) {
  CutOneWay(one, other);
  CutOneWay(other, one);
}

void Links::CutOff(const std::string& name) {
  for (const std::string& other : impl_->hosts()) Cut(name, other);
}

void Links::Delay(const std::string& from, const std::string& to, absl::Duration delay) {
  impl_->Set(impl_->IndexOf(from), impl_->IndexOf(to), delay);
}

void Links::Heal() { impl_->Heal(); }

}  // namespace paceline::chaos
