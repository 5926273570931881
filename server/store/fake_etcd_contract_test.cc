// EtcdStore's decisions without a network: what etcd_contract_test asks of the real one.
#include <catch2/catch.hpp>

#include "server/store/etcd/fake_etcd.h"
#include "server/store/etcd_store.h"
#include "server/store/store_contract.h"

namespace paceline {
namespace {

class FakeBacked : public Store {
 public:
  FakeBacked() {
    auto store = EtcdStore::Open(FakeEtcd::Client(&etcd_), {});
    REQUIRE(store.ok());
    store_ = *std::move(store);
  }
  absl::StatusOr<CommitResult> Commit(const Transaction& transaction) override {
    return store_->Commit(transaction);
  }
  absl::StatusOr<std::vector<Entry>> Range(absl::string_view prefix) override {
    return store_->Range(prefix);
  }

 private:
  FakeEtcd etcd_;
  std::unique_ptr<EtcdStore> store_;
};

}  // namespace

std::unique_ptr<Store> MakeSubject() { return std::make_unique<FakeBacked>(); }

}  // namespace paceline
