#include "server/store/memory.h"
#include "server/store/store_contract.h"

namespace paceline {

std::unique_ptr<Store> MakeSubject() { return std::make_unique<MemoryStore>(); }

}  // namespace paceline
