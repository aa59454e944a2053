/*
 * generic_defaults.c - the built-in words and weights of generic_rdns. They were developed and frozen on names of real mail
 * servers and lines; docs/judgement.md has the figures. An administrator adds and removes words in the configuration.
 */
#include "conf/generic.h"

const struct conf_generic_class conf_generic_classes[CONF_GENERIC_CLASSES] = {
    {"dynamic", "says that the address changes",
     "dyn dynamic* dynip* dynadsl dyndsl dynpool ippool dialup* dialin* dial dhcp* pppo* ppp* *ppp pptp"
     " pool pools"},
    {"line", "says what line or whose line it is; counts only where no word of dynamic does",
     "*dsl dsl* *cable* catv* *modem* *docsis* *broadband* bband bredband *ftth* fttx fttb fttc fttp"
     " *fiber* *fibre* fibra gpon *wimax* wwan gprs umts cdma wifi wireless wlan wline lte mobile* apn hsi"
     " bras cpe cust custs bbcust customer* kunde* klient* cliente* client clients dclient subscr* subs"
     " abo abonent* resnet residential res resi ipngn* ipoe* ipbf* omed user users home nat cgn cgnat"
     " roaming hotspot guest* dorm* members"},
    {"weak", "often on lines, also elsewhere; at most two different ones count, and only words in neither list above",
     "ip ipv ips host hosts static sta fix fixed fixip rev reverse addr inaddr bb access retail priv line"
     " lines isp red cm pc vpn unused unassigned *usercontent compute"},
    {"server", "says that mail goes out here; \"mail\" and \"smtp\" count also inside the base domain",
     "*mail* *smtp* mx* *mx mta* *mta out *outbound* *outgoing* *relay* *bounce* *sender* *newsletter*"
     " *exchange* *postfix* exim imap correo* posta* poczta* courrier*"},
    {"site", "says that a server stands here; not for words of server",
     "*server* *srv srv* *vps vps* *hosting* webhost* vhost* *cloud* www web* ns dns gw gate* edge list"
     " lists listserv news dedi* colo* *node"},
};

const struct conf_generic_weight conf_generic_weights[CONF_GENERIC_WEIGHTS] = {
    {"address", 4, "the name spells the client's address"},
    {"pair", 2, "the name spells two neighbouring numbers of an IPv4 address"},
    {"dynamic", 4, "a word of that class"},
    {"line", 3, "a word of that class, and none of dynamic"},
    {"weak", 1, "each of at most two words of that class"},
    {"number", 2, "four digits in a row that spell no address"},
    {"server", -5, "a word of that class"},
    {"site", -1, "a word of that class"},
};

struct slice conf_generic_next_word(struct slice *rest)
{
    struct slice word = SLICE_NONE;
    while (rest->ptr && !word.len)
        word = slice_cut(rest, ' ');
    return word.len ? word : SLICE_NONE;
}
