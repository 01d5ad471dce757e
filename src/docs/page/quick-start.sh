url=http://127.0.0.1:8080
token="Authorization: Bearer $FOLDFORGE_TOKEN"

# Submit: three backbones, five sequences for each, and a structure for every sequence.
workflow=$(curl --fail-with-body -sS $url/v1/workflows -H "$token" -H 'Content-Type: application/json' -d '
  {"name":"design-then-fold","steps":[
    {"id":"design","tool":"rfdiffusion","params":{"contigs":"100-100","num_designs":3}},
    {"id":"seqs","tool":"proteinmpnn","depends_on":["design"],"params":{"num_sequences":5}},
    {"id":"fold","tool":"af2","depends_on":["seqs"]}]}')
echo "$workflow"
id=$(echo "$workflow" | sed -n 's/^{"id":"\([^"]*\)".*/\1/p')

# Follow: one event for each change, until the workflow has ended.
[ "$id" ] && curl --fail-with-body -sSN $url/v1/workflows/$id/events -H "$token"

# Download the last structure.
href=$([ "$id" ] && curl -fsS $url/v1/workflows/$id -H "$token" | grep -o '"href":"[^"]*' | tail -n 1 | cut -d '"' -f 4)
[ "$href" ] && curl -fsSOJ $url$href -H "$token"
