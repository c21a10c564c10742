using System.Buffers.Binary;
using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Load;

/// <summary>Makes calls at a pace; the reply must be the one to its own request.</summary>
internal sealed class Caller(
    Party party, string queue, AmqpReplyAddress replyTo, Witnesses witnesses, Func<int> nextNumber, double rate)
{
    private static readonly AmqpCallOptions Patience = new() { Timeout = TimeSpan.FromSeconds(6) };

    private readonly AmqpCallOptions _options = new() { Timeout = Patience.Timeout, ReplyTo = replyTo };

    internal async Task RunAsync(CancellationToken stop)
    {
        var underWay = new List<Task>();
        while (!stop.IsCancellationRequested)
        {
            underWay.Add(CallAsync(nextNumber()));
            underWay.RemoveAll(call => call.IsCompleted);
            if (underWay.Count >= 50)
                await Task.WhenAny(underWay);
            await Task.Delay(TimeSpan.FromSeconds(1 / rate), CancellationToken.None);
        }
        await Task.WhenAll(underWay);
    }

    internal static ValueTask<AmqpMessage> AnswerAsync(AmqpDelivery request, CancellationToken abandoned)
        => ValueTask.FromResult(new AmqpMessage { Body = request.Body.ToArray() });

    private async Task CallAsync(int number)
    {
        byte[] body = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(body, number);
        witnesses.Recorder.Record(new HistoryEvent { What = What.Call, Number = number });
        AmqpReply? reply = null;
        Exception? error = null;
        try
        {
            reply = await party.Client.CallAsync(AmqpMessage.ToQueue(queue, body), _options).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e;
        }
        // A call that ends without reply, its request confirmed, knows no more of the work than one whose request is
        // unknown.
        Ending ending = error is AmqpNoReplyException or AmqpRemoteException ? Ending.Unknown : Endings.Of(error);
        witnesses.Recorder.Record(new HistoryEvent
        {
            What = What.Answer,
            Number = number,
            Ended = ending,
            Value = reply is { Body.Length: 8 }
                ? BinaryPrimitives.ReadInt32LittleEndian(reply.Body.Span)
                : reply is null ? null : -1,
            Text = ending == Ending.Broken ? error!.ToString() : null,
        });
        if (ending == Ending.Disposed)
            await Task.Delay(50).ConfigureAwait(false);
    }
}
