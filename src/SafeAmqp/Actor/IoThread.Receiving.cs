using System.Net.Sockets;
using SafeAmqp.Transport;

namespace SafeAmqp.Actor;

// What comes in is received by the thread that waits for it, so that an answer needs no second thread to be woken. Its signals are handled
// when all that had come is decoded: what a peer sends may end its connection, what the actor makes of it is ours.
internal sealed partial class IoThread
{
    private readonly List<IInbound> _inbound = []; // more than one while a connection that was given up says goodbye
    private readonly List<Socket> _awaited = [];
    private readonly Queue<BrokerSignal> _arrived = new();

    /// <summary>From now on this is received from, until it has ended.</summary>
    internal void Attach(IInbound inbound)
    {
        AssertOwner();
        inbound.Begin(Wake);
        _inbound.Add(inbound);
    }

    /// <summary>Takes a signal out of what is being received.</summary>
    internal void Arrive(BrokerSignal signal) => _arrived.Enqueue(signal);

    /// <returns>How much had come; 0 for nothing.</returns>
    private int Receive()
    {
        int received = ReceiveBytes();
        long now = Clock.Now;
        while (_arrived.TryDequeue(out BrokerSignal? signal))
            Actor.Handle(signal, now);
        return received;
    }

    private int ReceiveBytes()
    {
        int received = 0;
        for (int i = _inbound.Count - 1; i >= 0; i--)
        {
            if (_inbound[i].Receive())
                received++;
            if (_inbound[i].HasEnded)
                _inbound.RemoveAt(i);
        }
        return received;
    }

    // For RabbitMQ.Client, whose goodbye waits for the broker's. What else comes is nobody's any more.
    private void ReceiveToTheEnd()
    {
        while (_inbound.Count > 0)
        {
            if (ReceiveBytes() == 0 && _inbound.Count > 0)
                _mailbox.Wait(LongestWait, turnFirst: false, Awaited());
            _arrived.Clear();
        }
    }

    private List<Socket> Awaited()
    {
        _awaited.Clear();
        foreach (IInbound inbound in _inbound)
        {
            if (inbound.Awaited is { } socket)
                _awaited.Add(socket);
        }
        return _awaited;
    }
}
