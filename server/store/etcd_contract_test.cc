#include <catch2/catch.hpp>
#include <string>

#include "server/store/etcd/client.h"
#include "server/store/etcd/test_etcd.h"
#include "server/store/etcd_store.h"
#include "server/store/store_contract.h"

namespace paceline {

// One etcd for all cases, each under a prefix of its own.
std::unique_ptr<Store> MakeSubject() {
  static std::unique_ptr<TestEtcd> etcd;
  static int cases = 0;
  if (++cases == 1) etcd = TestEtcd::Start(1);
  if (etcd == nullptr) return nullptr;
  EtcdStoreOptions options;
  options.prefix = "case-" + std::to_string(cases) + "/";
  auto store = EtcdStore::Open(std::make_unique<EtcdClient>(etcd->endpoints()), options);
  INFO(store.status());
  REQUIRE(store.ok());
  return *std::move(store);
}

}  // namespace paceline
