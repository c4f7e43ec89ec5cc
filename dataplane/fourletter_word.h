/* fourletter_word: one word being answered; what the files of words share. */
#pragma once

#include "dataplane/net.h"
#include "dataplane/text.h"

struct fourletter_word {
    struct net *net;
    struct conn *conn;
    uint64_t arg; /* stmk */
    struct fourletter_facts facts;
    struct text text;
};

/* Each writes its word's answer; called twice, once for the size. */
void fourletter_server_srvr(struct fourletter_word *word);
void fourletter_server_stat(struct fourletter_word *word);
void fourletter_server_mntr(struct fourletter_word *word);
void fourletter_server_srst(struct fourletter_word *word);
void fourletter_conns_cons(struct fourletter_word *word);
void fourletter_conns_crst(struct fourletter_word *word);
void fourletter_conns_brief(struct fourletter_word *word); /* the lines of `stat` */
void fourletter_conns_dump(struct fourletter_word *word);  /* the last part of `dump` */
void fourletter_watches_wchs(struct fourletter_word *word);
void fourletter_watches_wchc(struct fourletter_word *word);
void fourletter_watches_wchp(struct fourletter_word *word);
/* What mntr and conf add in an ensemble; nothing for a node alone. */
void fourletter_ensemble_mntr(struct fourletter_word *word);
void fourletter_ensemble_conf(struct fourletter_word *word);
void fourletter_ensemble_memb(struct fourletter_word *word);
void fourletter_info_conf(struct fourletter_word *word);
void fourletter_info_envi(struct fourletter_word *word);
void fourletter_info_dirs(struct fourletter_word *word);
void fourletter_info_isro(struct fourletter_word *word);
void fourletter_info_ruok(struct fourletter_word *word);
void fourletter_info_hash(struct fourletter_word *word);
void fourletter_info_gtmk(struct fourletter_word *word);
void fourletter_info_stmk(struct fourletter_word *word);
