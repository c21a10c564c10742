/* A client in C on Cyclone DDS, written to the README and ENCODING.md alone; the type's code is idlc's.
   peer DOMAIN train ID STEP      takes part: adds STEP to every value, ends with 0 at training_complete
   peer DOMAIN echo ID            answers each global_model with an update that is as large
   peer DOMAIN stall ID           registers, and takes nothing
   peer DOMAIN send KEY TYPE BODY writes one sample, and stays until it is ended
   peer DOMAIN other ID           another type on the clients' topic, and one that nothing should match */
#include "dds/dds.h"
#include "FlMessage.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;
static void stop (int number) { stopping = number; }

static dds_entity_t writer, reader;
static const char *id;

static void put (const char *type, const char *body, size_t length)
{
  fl_FlMessage m = { .client_id = (char *) id, .type = (char *) type,
    .body = { ._maximum = (uint32_t) length, ._length = (uint32_t) length, ._buffer = (uint8_t *) body } };
  dds_return_t code = dds_write (writer, &m);
  if (code < 0) { printf ("write: %s\n", dds_strretcode (code)); exit (2); }
}

static void open_entities (dds_domainid_t domain, int32_t limit)
{
  dds_entity_t participant = dds_create_participant (domain, NULL, NULL);
  if (participant < 0) { printf ("participant: %s\n", dds_strretcode (participant)); exit (2); }
  dds_qos_t *qos = dds_create_qos ();
  dds_qset_reliability (qos, DDS_RELIABILITY_RELIABLE, DDS_SECS (60));
  dds_qset_history (qos, DDS_HISTORY_KEEP_ALL, 0);
  dds_qset_durability (qos, DDS_DURABILITY_TRANSIENT_LOCAL);
  dds_qset_writer_data_lifecycle (qos, false);
  dds_qset_partition1 (qos, id);
  if (limit > 0) dds_qset_resource_limits (qos, limit, DDS_LENGTH_UNLIMITED, limit);
  dds_entity_t down = dds_create_topic (participant, &fl_FlMessage_desc, "fl_to_client", NULL, NULL);
  reader = dds_create_reader (participant, down, qos, NULL);
  dds_qset_resource_limits (qos, DDS_LENGTH_UNLIMITED, DDS_LENGTH_UNLIMITED, DDS_LENGTH_UNLIMITED);
  dds_qset_partition1 (qos, "");
  dds_entity_t up = dds_create_topic (participant, &fl_FlMessage_desc, "fl_from_client", NULL, NULL);
  writer = dds_create_writer (participant, up, qos, NULL);
  dds_delete_qos (qos);
}

static int round_of (const char *json) { const char *at = strstr (json, "\"round\":"); return at ? atoi (at + 8) : 0; }

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t decode (const char *text, size_t length, uint8_t *to)
{
  size_t n = 0; uint32_t bits = 0; int have = 0;
  for (size_t i = 0; i < length && text[i] != '='; i++)
  {
    bits = bits << 6 | (uint32_t) (strchr (alphabet, text[i]) - alphabet);
    if ((have += 6) >= 8) to[n++] = (uint8_t) (bits >> (have -= 8));
  }
  return n;
}

static size_t encode (const uint8_t *bytes, size_t length, char *to)
{
  size_t n = 0;
  for (size_t i = 0; i < length; i += 3)
  {
    uint32_t b = (uint32_t) bytes[i] << 16;
    if (i + 1 < length) b |= (uint32_t) bytes[i + 1] << 8;
    if (i + 2 < length) b |= bytes[i + 2];
    to[n++] = alphabet[b >> 18]; to[n++] = alphabet[b >> 12 & 63];
    to[n++] = i + 1 < length ? alphabet[b >> 6 & 63] : '='; to[n++] = i + 2 < length ? alphabet[b & 63] : '=';
  }
  return n;
}

static uint8_t *weights; static size_t weights_length;

static void keep (const char *json)
{
  const char *from = strstr (json, "\"weights\":\"") + 11; size_t length = strcspn (from, "\"");
  weights = realloc (weights, length);
  weights_length = decode (from, length, weights);
}

static void update (int round, float step)
{
  uint32_t header; memcpy (&header, weights + 8, 4);
  for (size_t at = header; at + 4 <= weights_length; at += 4)
  {
    float value; memcpy (&value, weights + at, 4); value += step; memcpy (weights + at, &value, 4);
  }
  char *json = malloc (weights_length / 3 * 4 + 256);
  int n = sprintf (json, "{\"client_id\":\"%s\",\"round\":%d,\"num_samples\":10,\"weights\":\"", id, round);
  size_t length = (size_t) n + encode (weights, weights_length, json + n);
  memcpy (json + length, "\"}", 2);
  put ("update", json, length + 2);
  free (json);
}

static void enrol (void)
{
  char json[128]; sprintf (json, "{\"client_id\":\"%s\"}", id);
  put ("register", json, strlen (json));
  printf ("registered\n");
}

static int take_part (float step, int echo)
{
  dds_entity_t waitset = dds_create_waitset (dds_get_participant (reader));
  dds_waitset_attach (waitset, dds_create_readcondition (reader, DDS_ANY_STATE), 1);
  enrol ();
  for (;;)
  {
    if (dds_waitset_wait (waitset, NULL, 0, DDS_SECS (60)) == 0) { printf ("nothing came\n"); return 1; }
    void *samples[1] = { NULL }; dds_sample_info_t info[1];
    while (dds_take (reader, samples, info, 1, 1) == 1)
    {
      fl_FlMessage *m = samples[0];
      if (info[0].valid_data)
      {
        char *json = malloc (m->body._length + 1), type[32];
        memcpy (json, m->body._buffer, m->body._length); json[m->body._length] = 0;
        snprintf (type, sizeof type, "%s", m->type);
        int round = round_of (json);
        if (!strcmp (type, "global_model"))
        {
          keep (json);
          printf ("global_model %d: %u bytes\n", round, m->body._length);
        }
        free (json);
        if (!strcmp (type, "start_training") || (echo && !strcmp (type, "global_model"))) update (round, step);
        if (!strcmp (type, "start_evaluation"))
        {
          char metrics[256];
          sprintf (metrics, "{\"client_id\":\"%s\",\"round\":%d,\"num_samples\":10,"
            "\"metrics\":{\"loss\":%f,\"accuracy\":0.5}}", id, round, 1.0 / round);
          put ("metrics", metrics, strlen (metrics));
        }
        if (!strcmp (type, "training_complete")) { printf ("training_complete\n"); return 0; }
      }
      dds_return_loan (reader, samples, 1);
    }
  }
}

int main (int argc, char **argv)
{
  setvbuf (stdout, NULL, _IOLBF, 0);
  const char *what = argv[2]; id = argv[3];
  if (argc < 4) return 2;
  dds_domainid_t domain = (dds_domainid_t) atoi (argv[1]);
  if (!strcmp (what, "other"))
  {
    /* The same topic's name, and another type with the same layout. */
    dds_entity_t participant = dds_create_participant (domain, NULL, NULL);
    dds_qos_t *qos = dds_create_qos (); dds_qset_reliability (qos, DDS_RELIABILITY_RELIABLE, DDS_SECS (1));
    dds_entity_t topic = dds_create_topic (participant, &somebody_Elses_desc, "fl_from_client", NULL, NULL);
    writer = dds_create_writer (participant, topic, qos, NULL);
    enrol ();
  }
  else
  {
    open_entities (domain, !strcmp (what, "stall") ? 1 : 0);
    if (!strcmp (what, "train"))
    {
      int code = take_part ((float) atof (argv[4]), 0);
      dds_delete (dds_get_participant (reader));
      return code;
    }
    if (!strcmp (what, "echo")) return take_part (0, 1);
    if (!strcmp (what, "stall")) enrol ();
    if (!strcmp (what, "send")) { put (argv[4], argv[5], strlen (argv[5])); printf ("sent\n"); }
  }
  signal (SIGTERM, stop);
  while (!stopping) pause ();
  dds_delete (dds_get_participant (writer));
  return 0;
}
