using System.Buffers;

namespace QuicTransports.Ngtcp2;

// What others call, from any thread.
internal sealed partial class Connection : IQuicConnection
{
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var result = await _pipe.Reader.ReadAsync(cancellationToken);
        int length = (int)Math.Min(buffer.Length, result.Buffer.Length);
        var taken = result.Buffer.Slice(0, length);
        taken.CopyTo(buffer.Span);
        _pipe.Reader.AdvanceTo(taken.End);
        GiveCredit(length);
        return length;
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _endpoint.Post(() => Enqueue(bytes, done));
        await done.Task.WaitAsync(cancellationToken);
    }

    public async Task<bool> AnswersAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        var heard = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        _endpoint.Post(() => Probe(heard, 100_000_000));
        try
        {
            return await heard.Task.WaitAsync(within, cancellationToken);
        }
        catch (TimeoutException)
        {
            return false;
        }
        finally
        {
            _endpoint.Post(() => Probe(null, _keepAlive));
        }
    }

    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        _endpoint.Post(() =>
        {
            _finish = true;
            if (!IsDropped)
                _endpoint.WantsToWrite(this);
        });
        await Task.WhenAny(_peerFinished.Task, _dropped.Task).WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _endpoint.Post(() => _endpoint.Close(this, 0, null));
        await _dropped.Task;
    }
}
