#include "child/merge.h"
