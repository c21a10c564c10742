using System.Globalization;
using LocalBroker;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// A consumer that waits for ever through no fault of its client's: its channel at the broker is open and holds it, so
/// that no <c>basic.cancel</c> has been sent, has nothing unacknowledged, so that nothing is on its way to the client
/// or in its hands, and its queue gives it nothing: there is none, or it has messages and does not list the consumer,
/// or it has handed them out and no channel has got them.
/// </summary>
/// <remarks>
/// RabbitMQ 3.10 does that when a quorum queue is deleted. A channel that hears of it when the queue has been declared
/// again consumes from the new one by itself, without a word to its client, and then forgets what it knows of a queue
/// of that name; and now and then one keeps the consumer of a queue that is gone.
/// </remarks>
/// <param name="Queue">What it consumes.</param>
/// <param name="Connection">Its client's name for the connection.</param>
/// <param name="ConnectionPid">The broker's name for it.</param>
/// <param name="Evidence">What the broker says of the queue and the channel.</param>
internal sealed record ForgottenConsumer(string Queue, string Connection, string ConnectionPid, string Evidence)
{
    private const int QueueColumns = 2, ChannelColumns = 4;

    /// <summary>Those of a queue, as the broker itself tells. For when nothing moves any more.</summary>
    internal static async Task<IReadOnlyList<ForgottenConsumer>> FindAsync(PrivateRabbitMqNode node, string queue)
    {
        // A channel's consumers stand in a map from tags to queues somewhere in its state, and in nothing that it tells
        // when asked.
        string[] told = (await node.EvaluateAsync($$$"""
            Name = rabbit_misc:r(<<"/">>, queue, {{{PrivateRabbitMqNode.Binary(queue)}}}),
            {Listed, [{_, Ready}, {_, HandedOut}]} = case rabbit_amqqueue:lookup(Name) of
                {ok, Queue} -> {[{element(1, C), element(2, C)} || C <- rabbit_amqqueue:consumers(Queue)],
                                rabbit_amqqueue:info(Queue, [messages_ready, messages_unacknowledged])};
                {error, not_found} -> {[], [{messages_ready, -1}, {messages_unacknowledged, -1}]} end,
            Consumed = fun Consumed(T, Depth) when is_tuple(T), Depth > 0 ->
                               lists:flatmap(fun(E) -> Consumed(E, Depth - 1) end, tuple_to_list(T));
                           Consumed(M, _) when is_map(M) ->
                               [T || {T, {Q, _}} <- maps:to_list(M), is_binary(T),
                                     element(1, Q) =:= amqqueue, amqqueue:get_name(Q) =:= Name];
                           Consumed(_, _) -> [] end,
            Row = fun(Channel) -> try
                      [{_, Connection}, {_, Has}] = rabbit_channel:info(Channel, [connection, messages_unacknowledged]),
                      [[rabbit_misc:pid_to_string(Connection), 0, rabbit_misc:pid_to_string(Channel), 0,
                        integer_to_list(Has), 0, atom_to_list(lists:member({Channel, Tag}, Listed)), 0]
                       || Tag <- Consumed(sys:get_state(Channel, 5000), 4)]
                  catch exit:_ -> [] end end,
            [integer_to_list(Ready), 0, integer_to_list(HandedOut), 0,
             [Row(Channel) || Channel <- rabbit_channel:list()]]
            """)).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        int ready = Number(told[0]), handedOut = Number(told[1]);
        (string Connection, string Channel, int Has, bool IsListed)[] channels =
            [.. told.Skip(QueueColumns).Chunk(ChannelColumns)
                .Select(columns => (columns[0], columns[1], Number(columns[2]), columns[3] == "true"))];
        if (ready + handedOut == 0)
            return [];
        string messages = ready < 0 ? "no such queue" : string.Create(
            CultureInfo.InvariantCulture, $"{ready} messages ready, {handedOut} handed out");
        // What was handed out and no channel has was handed to one of them: where several have nothing, it is not known
        // which one it was.
        bool isUnheard = handedOut > channels.Sum(channel => channel.Has)
            && channels.Count(channel => channel is { IsListed: true, Has: 0 }) == 1;
        var names = (await node.ListConnectionsAsync()).ToDictionary(
            connection => connection.Pid, connection => connection.Name);
        return
        [
            .. channels.Where(channel => channel.Has == 0 && (!channel.IsListed || isUnheard))
                .Select(channel => new ForgottenConsumer(
                queue, names.GetValueOrDefault(channel.Connection, ""), channel.Connection,
                $"{messages}; channel {channel.Channel} holds the consumer, "
                    + $"which {(channel.IsListed ? "the queue lists" : "no queue lists")}, and has no message")),
        ];
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
