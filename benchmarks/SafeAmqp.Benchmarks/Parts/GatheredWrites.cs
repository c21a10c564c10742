using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using SafeAmqp.Transport;

namespace SafeAmqp.Benchmarks.Parts;

/// <summary>
/// The frames of a publish of 256 B, written to the gatherer over a loopback socket whose other end reads: so many to a
/// write.
/// </summary>
[MemoryDiagnoser]
public class GatheredWrites : IDisposable
{
    private const int Messages = 256;

    private const int FramesSize = 330; // method, header and body frames with a short address

    private byte[] _frames = [];
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private NetworkStream? _wire;
    private WriteGatherer? _gatherer;
    private Task? _reading;

    [Params(1, 16, 256)]
    public int PerWrite { get; set; }

    [GlobalSetup]
    public async Task ConnectAsync()
    {
        _frames = new byte[PerWrite * FramesSize];
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await _socket.ConnectAsync(listener.LocalEndpoint);
        Socket peer = await listener.AcceptSocketAsync();
        _reading = Task.Run(async () =>
        {
            using (peer)
            {
                byte[] buffer = new byte[1 << 16];
                while (await peer.ReceiveAsync(buffer) > 0)
                {
                }
            }
        });
        _wire = new NetworkStream(_socket);
        _gatherer = new WriteGatherer(_wire, 1 << 20, TimeProvider.System, _ => { });
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public async Task Send()
    {
        for (int i = 0; i < Messages; i += PerWrite)
        {
            ValueTask taken = _gatherer!.Enter(_frames, out bool send);
            if (send)
                _ = _gatherer.SendAsync();
            await taken;
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _wire?.Dispose();
        _socket.Dispose();
        _reading?.Wait();
        GC.SuppressFinalize(this);
    }
}
