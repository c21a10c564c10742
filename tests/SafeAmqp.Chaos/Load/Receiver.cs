using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Load;

/// <summary>Handlers that write down what came.</summary>
internal sealed class Receiver(Witnesses witnesses, int lanes, int seed)
{
    private readonly Random _random = new(seed);
    private readonly Lock _gate = new();
    private volatile bool _hang;

    /// <summary>From now on one delivery of the unordered queue is held until it is lost.</summary>
    internal void HangOnce() => _hang = true;

    /// <summary>One at a time, in order, acknowledged at once.</summary>
    internal ValueTask<AmqpSettlement> InOrder(AmqpDelivery delivery, CancellationToken lost)
    {
        Record(delivery);
        return ValueTask.FromResult(AmqpSettlement.Ack);
    }

    /// <summary>Several at once: slow ones, failing ones, some given back, some settled by hand.</summary>
    internal async ValueTask<AmqpSettlement> Roughly(AmqpDelivery delivery, CancellationToken lost)
    {
        Record(delivery);
        if (_hang)
        {
            _hang = false;
            await HangAsync(lost);
        }
        int chance;
        lock (_gate)
            chance = _random.Next(100);
        switch (chance)
        {
            case < 2:
                throw new InvalidOperationException("a handler that fails");
            case < 4:
                return AmqpSettlement.Requeue;
            case < 10:
                delivery.Settle(AmqpSettlement.Ack);
                return AmqpSettlement.Requeue; // without effect: it is settled
            case < 20:
                await Task.Delay(chance, CancellationToken.None);
                break;
        }
        return AmqpSettlement.Ack;
    }

    private async Task HangAsync(CancellationToken lost)
    {
        try
        {
            await Task.Delay(TimeSpan.FromMinutes(2), lost);
            witnesses.Unexpected(
                "a handler that held its delivery for two minutes was not told that the broker took it back");
        }
        catch (OperationCanceledException)
        {
            witnesses.DeliveryLost();
        }
    }

    private void Record(AmqpDelivery delivery)
    {
        bool whole = Bodies.TryRead(delivery.Body.Span, out int lane, out int number) && (uint)lane < lanes
            && number >= 0;
        witnesses.Recorder.Record(whole
            ? new HistoryEvent { What = What.Deliver, Lane = lane, Number = number, Flag = delivery.IsRedelivered }
            : new HistoryEvent
            {
                What = What.Garbled,
                Text = $"a body of {delivery.Body.Length} bytes in queue '{delivery.Queue}' that was never sent"
            });
    }
}
